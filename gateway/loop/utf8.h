// UTF-8 as a stream: bytes arrive in any pieces, whole characters leave.
#ifndef RECYCLING_GATEWAY_LOOP_UTF8_H_
#define RECYCLING_GATEWAY_LOOP_UTF8_H_

#include <string>
#include <string_view>

namespace recycling::gateway {

// Turns bytes into valid UTF-8. The output is a function of the bytes alone, not of how they are
// cut into pieces. A sequence that cannot become a character is replaced by one U+FFFD per maximal
// part, as the Unicode standard recommends (chapter 3, "U+FFFD Substitution of Maximal Subparts").
class Utf8Decoder {
 public:
  // Characters that are complete now. At most three bytes wait for more.
  std::string Add(std::string_view bytes);

  // The end: U+FFFD if an unfinished character waits, else nothing.
  std::string Finish();

 private:
  void AddByte(unsigned char byte, std::string* out);
  void Start(unsigned char byte, std::string* out);

  std::string pending_;    // beginning of a character
  unsigned missing_ = 0;   // continuation bytes still to come
  unsigned char low_ = 0;  // range of the next continuation byte
  unsigned char high_ = 0;
};

// `bytes` with everything that is not UTF-8 replaced.
std::string ToUtf8(std::string_view bytes);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_LOOP_UTF8_H_
