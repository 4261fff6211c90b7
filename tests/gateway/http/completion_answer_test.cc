#include "gateway/http/completion_answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

namespace recycling::gateway {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

// Keeps what it gets.
class FakeReply final : public HttpReply {
 public:
  void Send(HttpAnswer answer) override {
    status = answer.status;
    bytes = std::move(answer.body);
  }
  void StartStream(HttpAnswer head) override { status = head.status; }
  void Write(std::string more) override { bytes += more; }
  void End() override { ended = true; }
  bool Drop() override { return false; }
  void OnGone(std::function<void()> new_gone) override { gone = std::move(new_gone); }
  UnreadOutput Unread() const override { return {}; }
  bool done() const override { return false; }

  int status = 0;
  std::string bytes;
  bool ended = false;
  std::function<void()> gone;
};

class CompletionAnswerTest : public ::testing::Test {
 protected:
  // An answer with `choices` choices.
  std::shared_ptr<CompletionAnswer> Ask(std::size_t choices, bool stream) {
    const auto answer = std::make_shared<CompletionAnswer>(
        reply_, /*chat=*/false, HttpHeaders(), [] { return std::make_shared<ServedModel>(); },
        absl::UnixEpoch());
    OpenAiRequest request;
    request.stream = stream;
    request.more_prompts.resize(choices - 1);
    answer->Asked(request);
    return answer;
  }

  static void Finish(OutputSink& sink) {
    const DecodeOutcome outcome;
    sink.Finish({.outcome = outcome});
    sink.End(absl::OkStatus());
  }

  const std::shared_ptr<FakeReply> reply_ = std::make_shared<FakeReply>();
};

TEST_F(CompletionAnswerTest, WaitsForAllChoices) {
  const auto answer = Ask(2, false);
  const auto first = answer->Choice(0);
  const auto second = answer->Choice(1);
  for (OutputSink* sink : {second.get(), first.get()}) {
    EXPECT_EQ(reply_->bytes, "");
    sink->Start({.request_id = "a"});
    sink->Show({.text = sink == first.get() ? "one" : "two"});
    Finish(*sink);
  }
  EXPECT_EQ(reply_->status, 200);
  EXPECT_THAT(reply_->bytes,
              HasSubstr(R"("choices":[{"index":0,"text":"one","finish_reason":"length",)"
                        R"("logprobs":null},{"index":1,"text":"two","finish_reason":"length",)"
                        R"("logprobs":null}],"usage":{)"));
}

TEST_F(CompletionAnswerTest, AFailedChoiceStopsTheOthers) {
  for (const bool stream : {false, true}) {
    *reply_ = FakeReply();
    const auto answer = Ask(3, stream);
    const auto first = answer->Choice(0);
    const auto second = answer->Choice(1);
    int stopped = 0;
    first->OnGone([&] { ++stopped; });
    first->Start({.request_id = "a"});
    second->OnGone(nullptr);
    second->End(absl::ResourceExhaustedError("the tenant has too many requests"));
    EXPECT_EQ(stopped, 1);
    const auto third = answer->Choice(2);
    third->OnGone([&] { ++stopped; });
    EXPECT_EQ(stopped, 2) << "a choice that comes later is stopped at once";
    third->End(absl::CancelledError());
    EXPECT_THAT(reply_->bytes, Not(HasSubstr("too many requests"))) << "one choice is open";
    first->End(absl::CancelledError());
    EXPECT_THAT(reply_->bytes, HasSubstr("the tenant has too many requests"));
    if (stream) {
      EXPECT_THAT(reply_->bytes, EndsWith("data: [DONE]\n\n"));
      EXPECT_TRUE(reply_->ended);
    } else {
      EXPECT_EQ(reply_->status, 429);
    }
  }
}

TEST_F(CompletionAnswerTest, AClientThatLeavesStopsAllChoices) {
  const auto answer = Ask(2, true);
  const auto first = answer->Choice(0);
  const auto second = answer->Choice(1);
  int stopped = 0;
  first->OnGone([&] { ++stopped; });
  second->OnGone([&] { ++stopped; });
  reply_->gone();
  EXPECT_EQ(stopped, 2);
  first->End(absl::CancelledError());
  second->End(absl::CancelledError());
}

TEST_F(CompletionAnswerTest, AWholeAnswerThatIsTooLargeIsStopped) {
  const auto answer = Ask(2, false);
  const auto first = answer->Choice(0);
  const auto second = answer->Choice(1);
  int stopped = 0;
  first->OnGone([&] { ++stopped; });
  second->OnGone([&] { ++stopped; });
  first->Start({.request_id = "a"});
  second->Start({.request_id = "b"});
  const OutputDelta half = {.text = std::string(std::size_t{32} << 20, 'x')};
  first->Show(half);
  second->Show(half);
  EXPECT_EQ(stopped, 0);
  second->Show({.text = "x"});
  EXPECT_EQ(stopped, 2);
  Finish(*first);
  second->End(absl::CancelledError());
  EXPECT_EQ(reply_->status, 400);
  EXPECT_THAT(reply_->bytes, HasSubstr("the answer has more than 67108864 bytes"));
}

TEST_F(CompletionAnswerTest, AStreamMayBeOfAnySize) {
  const auto answer = Ask(1, true);
  const auto first = answer->Choice(0);
  int stopped = 0;
  first->OnGone([&] { ++stopped; });
  first->Start({.request_id = "a"});
  for (int i = 0; i < 3; ++i) {
    first->Show({.text = std::string(std::size_t{32} << 20, 'x')});
    reply_->bytes.clear();
  }
  EXPECT_EQ(stopped, 0);
  Finish(*first);
  EXPECT_TRUE(reply_->ended);
}

}  // namespace
}  // namespace recycling::gateway
