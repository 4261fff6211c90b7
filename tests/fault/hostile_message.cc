#include "tests/fault/hostile_message.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <utility>

namespace recycling::fault {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

std::uint64_t HostileInteger(Random& random) {
  constexpr std::uint64_t kValues[] = {
      0,       1,          2,          63,         64,         65,         255,
      256,     319,        320,        1023,       1024,       65535,      65536,
      1 << 24, 0x7fffffff, 0x80000000, 0xffffffff, 1ULL << 32, 1ULL << 63, ~0ULL};
  return random() % 4 == 0 ? random() >> (random() % 64) : kValues[random() % std::size(kValues)];
}

double HostileReal(Random& random) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const double kValues[] = {0,    -0.0,  1,     -1,   0.5, 1e-45,     100,        100.00001,
                            1e38, -1e38, 1e308, 1001, -5,  kInfinity, -kInfinity, std::nan("")};
  return kValues[random() % std::size(kValues)];
}

std::string HostileText(Random& random) {
  const char* const kTexts[] = {
      "",       "a",       "\xff\xfe\x00", "\xC3",    "../../etc/passwd", "%s%n%s",
      "\n\r\t", "default", "\xED\xA0\x80", "</s><s>", "'; DROP--\"",      "\xF4\x90\x80\x80"};
  if (random() % 4 == 0) return RandomBytes(random, 300);
  if (random() % 16 == 0) return std::string(random() % 70000, 'x');
  return kTexts[random() % std::size(kTexts)];
}

// Sets the field, or adds to it if it is a list.
void Put(Message* message, const FieldDescriptor* field, Random& random, int depth) {
  const Reflection& how = *message->GetReflection();
  const bool list = field->is_repeated();
  const auto put = [&](auto set, auto add, auto value) {
    if (list) {
      (how.*add)(message, field, value);
    } else {
      (how.*set)(message, field, value);
    }
  };
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      put(&Reflection::SetInt32, &Reflection::AddInt32,
          static_cast<std::int32_t>(HostileInteger(random)));
      break;
    case FieldDescriptor::CPPTYPE_INT64:
      put(&Reflection::SetInt64, &Reflection::AddInt64,
          static_cast<std::int64_t>(HostileInteger(random)));
      break;
    case FieldDescriptor::CPPTYPE_UINT32:
      put(&Reflection::SetUInt32, &Reflection::AddUInt32,
          static_cast<std::uint32_t>(HostileInteger(random)));
      break;
    case FieldDescriptor::CPPTYPE_UINT64:
      put(&Reflection::SetUInt64, &Reflection::AddUInt64, HostileInteger(random));
      break;
    case FieldDescriptor::CPPTYPE_DOUBLE:
      put(&Reflection::SetDouble, &Reflection::AddDouble, HostileReal(random));
      break;
    case FieldDescriptor::CPPTYPE_FLOAT:
      put(&Reflection::SetFloat, &Reflection::AddFloat, static_cast<float>(HostileReal(random)));
      break;
    case FieldDescriptor::CPPTYPE_BOOL:
      put(&Reflection::SetBool, &Reflection::AddBool, random() % 2 == 0);
      break;
    case FieldDescriptor::CPPTYPE_ENUM:
      put(&Reflection::SetEnumValue, &Reflection::AddEnumValue,
          static_cast<int>(random() % 2 == 0 ? random() % 8 : HostileInteger(random)));
      break;
    case FieldDescriptor::CPPTYPE_STRING: {
      std::string text = HostileText(random);
      if (list) {
        how.AddString(message, field, std::move(text));
      } else {
        how.SetString(message, field, std::move(text));
      }
      break;
    }
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      Message* inner = list ? how.AddMessage(message, field) : how.MutableMessage(message, field);
      if (depth > 0) FillAtRandom(inner, random, depth - 1);
      break;
    }
  }
}

std::size_t ListLength(Random& random) {
  return random() % 8 == 0 ? random() % 2000 : random() % 6;
}

const FieldDescriptor* AnyField(const Message& message, Random& random) {
  const auto* type = message.GetDescriptor();
  const int fields = type->field_count();
  return fields == 0 ? nullptr
                     : type->field(static_cast<int>(random() % static_cast<std::uint64_t>(fields)));
}

// Makes the field about `bytes` bytes large: a long string, or many elements.
void Repeat(Message* message, const FieldDescriptor* field, Random& random, std::size_t bytes) {
  const Reflection& how = *message->GetReflection();
  if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
    std::string large(bytes, random() % 2 == 0 ? 'a' : '\xff');
    if (field->is_repeated()) {
      how.AddString(message, field, std::move(large));
    } else {
      how.SetString(message, field, std::move(large));
    }
    return;
  }
  if (field->cpp_type() == FieldDescriptor::CPPTYPE_UINT32) {
    const auto value = static_cast<std::uint32_t>(random() % 300);
    for (std::size_t i = 0; i < bytes / (value < 128 ? 1 : 2); ++i) {
      how.AddUInt32(message, field, value);
    }
    return;
  }
  const std::size_t each = 2 + random() % 8;
  for (std::size_t i = 0; i < bytes / each; ++i) Put(message, field, random, 0);
}

}  // namespace

void SpoilOneField(Message* message, Random& random) {
  const FieldDescriptor* field = AnyField(*message, random);
  if (field == nullptr) return;
  const Reflection& how = *message->GetReflection();
  const bool is_message = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
  if (is_message && !field->is_repeated() && how.HasField(*message, field)) {
    if (random() % 8 == 0) {
      how.ClearField(message, field);
    } else {
      SpoilOneField(how.MutableMessage(message, field), random);
    }
    return;
  }
  if (!field->is_repeated()) {
    Put(message, field, random, 1);
    return;
  }
  if (random() % 3 == 0) how.ClearField(message, field);
  for (std::size_t more = ListLength(random); more > 0; --more) Put(message, field, random, 1);
}

void FillAtRandom(Message* message, Random& random, int depth) {
  const auto* type = message->GetDescriptor();
  for (int i = 0; i < type->field_count(); ++i) {
    if (random() % 2 == 0) continue;
    const FieldDescriptor* field = type->field(i);
    const bool is_message = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    std::size_t times = field->is_repeated() ? ListLength(random) : 1;
    if (is_message) times = std::min<std::size_t>(times, 8);
    for (; times > 0; --times) Put(message, field, random, depth);
  }
}

void MakeHuge(Message* message, Random& random, std::size_t bytes) {
  for (int attempt = 0; attempt < 16; ++attempt) {
    const FieldDescriptor* field = AnyField(*message, random);
    if (field == nullptr) return;
    const bool is_message = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    if (field->is_repeated() || field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      return Repeat(message, field, random, bytes);
    }
    if (is_message) {
      return MakeHuge(message->GetReflection()->MutableMessage(message, field), random, bytes);
    }
  }
}

std::string RandomBytes(Random& random, std::size_t most) {
  std::string bytes(random() % (most + 1), '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

std::string SpoilBytes(std::string bytes, Random& random) {
  for (std::uint64_t times = 1 + random() % 4; times > 0; --times) {
    const std::size_t at = bytes.empty() ? 0 : random() % bytes.size();
    switch (random() % 4) {
      case 0:
        if (!bytes.empty()) bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
        break;
      case 1:
        bytes.resize(at);
        break;
      case 2:
        bytes.insert(at, bytes.substr(at / 2, 64));
        break;
      default:
        bytes.insert(at, RandomBytes(random, 12));
    }
  }
  return bytes;
}

std::vector<std::string> HostileCall(const Method& method, std::size_t most_bytes, Random& random) {
  std::vector<std::string> messages = method.messages;
  if (messages.empty()) messages.emplace_back();
  switch (random() % 8) {
    case 0:
      messages.push_back(messages[random() % messages.size()]);
      break;
    case 1:
      std::swap(messages.front(), messages[random() % messages.size()]);
      break;
    case 2:
      messages.erase(messages.begin() + static_cast<std::ptrdiff_t>(random() % messages.size()));
      break;
    default:
      break;
  }
  if (messages.empty()) return messages;
  std::string& spoilt = messages[random() % messages.size()];
  const std::uint64_t manner = random() % 16;
  if (manner == 0) {
    spoilt = RandomBytes(random, 2000);
  } else if (manner <= 3 || (method.type == nullptr && manner <= 12)) {
    spoilt = SpoilBytes(std::move(spoilt), random);
  } else if (method.type != nullptr && manner <= 13) {
    const std::unique_ptr<Message> message(method.type->New());
    message->ParsePartialFromString(spoilt);
    if (manner <= 9) {
      for (std::uint64_t times = 1 + random() % 3; times > 0; --times) {
        SpoilOneField(message.get(), random);
      }
    } else if (manner <= 12) {
      message->Clear();
      FillAtRandom(message.get(), random);
    } else {
      MakeHuge(message.get(), random, random() % most_bytes);
    }
    spoilt.clear();
    message->SerializePartialToString(&spoilt);
  }
  return messages;
}

}  // namespace recycling::fault
