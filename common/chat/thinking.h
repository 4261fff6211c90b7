// Models that think write their thoughts between two markers before the answer. The chat template
// knows the markers. This separates the thoughts from the answer while the text comes.
#ifndef RECYCLING_COMMON_CHAT_THINKING_H_
#define RECYCLING_COMMON_CHAT_THINKING_H_

#include <optional>
#include <string>
#include <string_view>

namespace recycling::chat {

struct ThinkingMarkers {
  std::string_view open;
  std::string_view close;
};

// The markers that the template with this source writes. Nothing if it has none that are known:
// <think>, <seed:think> and [THINK].
std::optional<ThinkingMarkers> ThinkingMarkersOf(std::string_view source);

// Whether a prompt ends with the opening marker, so that the model begins inside its thoughts.
// White space may follow the marker.
bool EndsInThinking(std::string_view prompt, const ThinkingMarkers& markers);

// How an answer begins.
struct ThinkingStart {
  ThinkingMarkers markers;
  bool inside = false;  // in the thoughts
};

struct AnswerParts {
  std::string thinking;
  std::string content;

  bool empty() const { return thinking.empty() && content.empty(); }
};

// Thoughts begin only at the start of an answer. A marker further on is text like any other. White
// space beside the markers belongs to neither part. Threads: one.
class ThinkingSplitter {
 public:
  explicit ThinkingSplitter(const ThinkingStart& start)
      : markers_(start.markers), state_(start.inside ? State::kBeforeThoughts : State::kStart) {}

  // The parts that `text` adds. What may belong to a marker waits for the next call.
  AnswerParts Add(std::string_view text);

  // The parts that still wait. The answer has ended.
  AnswerParts End();

 private:
  enum class State { kStart, kBeforeThoughts, kThoughts, kBeforeContent, kContent };

  // Takes from waiting_ what is certain. Returns false if there is no more.
  bool Advance(AnswerParts* parts);

  const ThinkingMarkers markers_;
  State state_;
  std::string waiting_;
};

}  // namespace recycling::chat

#endif  // RECYCLING_COMMON_CHAT_THINKING_H_
