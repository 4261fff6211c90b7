// Messages that a service must survive: random ones, valid ones with something wrong, huge ones.
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

// Puts a value that nobody expects into one field, of the message or of one in it: extremes, NaN,
// unknown enum values, bytes that are no UTF-8, ids far outside, lists that are empty or long.
void SpoilOneField(google::protobuf::Message* message, Random& random);

// Fills about half of the fields so, and those of the messages in it, `depth` levels down.
void FillAtRandom(google::protobuf::Message* message, Random& random, int depth = 3);

// Makes one list, string or bytes field about `bytes` large; nothing if there is none.
void MakeHuge(google::protobuf::Message* message, Random& random, std::size_t bytes);

// Flips, cuts, repeats or inserts a few bytes.
std::string SpoilBytes(std::string bytes, Random& random);

std::string RandomBytes(Random& random, std::size_t most);

// What a client of one method may say, valid.
struct Method {
  std::string path;                   // "/package.Service/Method"
  std::vector<std::string> messages;  // serialized, in order
  // Of those messages; null if not known here. Then only their bytes are spoilt.
  std::shared_ptr<const google::protobuf::Message> type;
};

// The messages of a call to `method`, spoilt: some of them valid, of some one field is wrong, some
// are random, huge (up to `most_bytes`) or no messages at all; some are missing, swapped or said
// again. A function of the state of `random`.
std::vector<std::string> HostileCall(const Method& method, std::size_t most_bytes, Random& random);

}  // namespace recycling::fault

#endif  // RECYCLING_TESTS_FAULT_HOSTILE_MESSAGE_H_
