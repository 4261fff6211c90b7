// Messages that a service must survive: random, damaged and huge ones.
#ifndef RECYCLING_TESTS_FAULT_HOSTILE_MESSAGE_H_
#define RECYCLING_TESTS_FAULT_HOSTILE_MESSAGE_H_

#include <google/protobuf/message.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace recycling::fault {

using Random = std::mt19937_64;

// Puts an unusual value into one field of the message or of a message in it: an extreme number,
// NaN, an unknown enum value, invalid UTF-8, an id out of range, an empty list or a long list.
void SpoilOneField(google::protobuf::Message* message, Random& random);

// Puts unusual values into about half of the fields, also in inner messages down to `depth` levels.
void FillAtRandom(google::protobuf::Message* message, Random& random, int depth = 3);

// Makes one list, string or bytes field about `bytes` bytes large. If it finds none, it changes
// nothing.
void MakeHuge(google::protobuf::Message* message, Random& random, std::size_t bytes);

// Flips, cuts, repeats or inserts a few bytes.
std::string SpoilBytes(std::string bytes, Random& random);

std::string RandomBytes(Random& random, std::size_t most);

// A method and a valid call of it.
struct Method {
  std::string path;                   // "/package.Service/Method"
  std::vector<std::string> messages;  // serialized, in order
  // The type of the messages. If it is null, HostileCall damages only bytes.
  std::shared_ptr<const google::protobuf::Message> type;
};

// Returns the messages of a hostile call to `method`. It drops, swaps or repeats a message in some
// calls. It damages at most one message: some fields, some bytes, or the whole message with random
// values or random bytes, or it makes a field huge (up to `most_bytes`). Some calls stay valid.
// Only the state of `random` decides.
std::vector<std::string> HostileCall(const Method& method, std::size_t most_bytes, Random& random);

}  // namespace recycling::fault

#endif  // RECYCLING_TESTS_FAULT_HOSTILE_MESSAGE_H_
