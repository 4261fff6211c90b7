#include "common/chat/thinking.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

namespace recycling::chat {
namespace {

constexpr std::array<ThinkingMarkers, 3> kMarkers = {
    {{"<think>", "</think>"}, {"<seed:think>", "</seed:think>"}, {"[THINK]", "[/THINK]"}}};
constexpr std::string_view kSpace = " \t\r\n";

std::string_view WithoutLeadingSpace(std::string_view text) {
  return text.substr(std::min(text.find_first_not_of(kSpace), text.size()));
}

std::string_view WithoutTrailingSpace(std::string_view text) {
  return text.substr(0, text.find_last_not_of(kSpace) + 1);
}

// `text` without an end that may be the beginning of `marker`, and without the space before that.
std::string_view BeforeMarker(std::string_view text, std::string_view marker) {
  std::size_t length = std::min(text.size(), marker.size() - 1);
  while (!text.ends_with(marker.substr(0, length))) --length;
  return WithoutTrailingSpace(text.substr(0, text.size() - length));
}

}  // namespace

std::optional<ThinkingMarkers> ThinkingMarkersOf(std::string_view source) {
  for (const ThinkingMarkers& markers : kMarkers) {
    if (source.find(markers.close) != std::string_view::npos) return markers;
  }
  return std::nullopt;
}

bool EndsInThinking(std::string_view prompt, const ThinkingMarkers& markers) {
  return WithoutTrailingSpace(prompt).ends_with(markers.open);
}

AnswerParts ThinkingSplitter::Add(std::string_view text) {
  waiting_ += text;
  AnswerParts parts;
  while (Advance(&parts)) {
  }
  return parts;
}

AnswerParts ThinkingSplitter::End() {
  AnswerParts parts;
  if (state_ == State::kThoughts) parts.thinking = std::exchange(waiting_, "");
  if (state_ == State::kStart) parts.content = std::exchange(waiting_, "");
  return parts;
}

bool ThinkingSplitter::Advance(AnswerParts* parts) {
  switch (state_) {
    case State::kStart: {
      const std::string_view text = WithoutLeadingSpace(waiting_);
      if (text.starts_with(markers_.open)) {
        waiting_ = text.substr(markers_.open.size());
        state_ = State::kBeforeThoughts;
        return true;
      }
      if (markers_.open.starts_with(text)) return false;
      state_ = State::kContent;
      return true;
    }
    case State::kBeforeThoughts:
    case State::kBeforeContent:
      waiting_ = WithoutLeadingSpace(waiting_);
      if (waiting_.empty()) return false;
      state_ = state_ == State::kBeforeThoughts ? State::kThoughts : State::kContent;
      return true;
    case State::kThoughts: {
      const std::size_t close = waiting_.find(markers_.close);
      if (close == std::string::npos) {
        const std::string_view certain = BeforeMarker(waiting_, markers_.close);
        parts->thinking += certain;
        waiting_.erase(0, certain.size());
        return false;
      }
      parts->thinking += WithoutTrailingSpace(std::string_view(waiting_).substr(0, close));
      waiting_.erase(0, close + markers_.close.size());
      state_ = State::kBeforeContent;
      return true;
    }
    case State::kContent:
      parts->content += std::exchange(waiting_, "");
      return false;
  }
  return false;
}

}  // namespace recycling::chat
