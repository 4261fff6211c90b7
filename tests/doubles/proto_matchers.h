// EqualsProto: equality of protobuf messages that prints the fields that differ.
#ifndef RECYCLING_TESTS_DOUBLES_PROTO_MATCHERS_H_
#define RECYCLING_TESTS_DOUBLES_PROTO_MATCHERS_H_

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/message_differencer.h>

#include <string>

namespace recycling::doubles {

// A message equal to `expected`, field by field. A mismatch lists every field that was added,
// deleted or modified between `expected` and the actual message.
MATCHER_P(EqualsProto, expected,
          std::string(negation ? "differs from" : "equals") + " {" + expected.ShortDebugString() +
              "}") {
  std::string difference;
  google::protobuf::util::MessageDifferencer differencer;
  differencer.ReportDifferencesToString(&difference);
  const bool equal = differencer.Compare(expected, arg);
  if (!equal) *result_listener << "from expected to actual:\n" << difference;
  return equal;
}

// The message that `text` describes in text format. If the text does not parse, fails the test and
// returns an empty message.
template <typename Message>
Message ParseProto(const std::string& text) {
  Message message;
  if (!google::protobuf::TextFormat::ParseFromString(text, &message)) {
    ADD_FAILURE() << "not a " << message.GetTypeName() << ": " << text;
    message.Clear();
  }
  return message;
}

}  // namespace recycling::doubles

#endif  // RECYCLING_TESTS_DOUBLES_PROTO_MATCHERS_H_
