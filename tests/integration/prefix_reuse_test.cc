// Checks usage and output when the cache of the verifier has the beginning of the prompt.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/doubles/proto_matchers.h"
#include "tests/integration/cluster.h"
#include "tests/integration/models.h"

namespace recycling::integration {
namespace {

namespace pb = gateway::v1;
using doubles::ParseProto;

class PrefixReuseTest : public testing::Test {
 protected:
  void Start(std::vector<std::string> verifier_flags = {}) {
    verifier_flags.push_back("--model=" + TinyModel(cluster_.folder().path()));
    verifier_flags.push_back("--threads=1");
    const std::string verifier = cluster_.Start("recycling-verifier", verifier_flags);
    const std::string drafter = cluster_.Start("recycling-drafter", {});
    gateway_ = Connect(cluster_.StartGateway(verifier, drafter, {"--draft_deadline_ms=60000"}));
  }

  Output Ask(const std::vector<std::uint32_t>& prompt, std::uint32_t max_tokens,
             const std::string& more = "") {
    auto request = ParseProto<pb::GenerateRequest>("sampling { ignore_eos: true } " + more);
    request.mutable_prompt_ids()->mutable_ids()->Assign(prompt.begin(), prompt.end());
    request.mutable_sampling()->set_max_tokens(max_tokens);
    return Generate(gateway_, request);
  }

  static std::vector<std::uint32_t> Prompt(std::size_t tokens) {
    std::vector<std::uint32_t> prompt(tokens);
    for (std::size_t i = 0; i < tokens; ++i) {
      prompt[i] = static_cast<std::uint32_t>(3 + i * i * 7 % 300);
    }
    return prompt;
  }

  Cluster cluster_;
  std::shared_ptr<grpc::Channel> gateway_;
};

TEST_F(PrefixReuseTest, ARepeatedPromptAndTheNextTurnUseTheCacheAndGiveTheSameTokens) {
  Start();
  const std::vector<std::uint32_t> prompt = Prompt(200);
  const Output first = Ask(prompt, 100);
  ASSERT_TRUE(first.status.ok()) << first.ForPeople();
  EXPECT_EQ(first.final.usage().cached_prompt_tokens(), 0u);
  for (const char* speculation : {"", "speculation { mode: SPECULATION_MODE_OFF }"}) {
    const Output again = Ask(prompt, 100, speculation);
    EXPECT_EQ(again.final.usage().cached_prompt_tokens(), 192u);
    EXPECT_TRUE(again.SameTokens(first)) << again.ForPeople() << first.ForPeople();
  }
  // The next turn begins with the first prompt and its output. The verifier has pages of both.
  std::vector<std::uint32_t> next = prompt;
  next.insert(next.end(), first.ids.begin(), first.ids.end());
  const Output turn = Ask(next, 50);
  EXPECT_EQ(turn.final.usage().cached_prompt_tokens(), 256u);
  const Output whole = Ask(prompt, 150);
  ASSERT_TRUE(turn.status.ok() && whole.status.ok());
  EXPECT_EQ(turn.ids, std::vector<std::uint32_t>(whole.ids.begin() + 100, whole.ids.end()));
}

TEST_F(PrefixReuseTest, ARequestLargerThanTheCacheIsRefusedAndOthersAreServed) {
  Start({"--kv_bytes=" + std::to_string(4 * 64 * 2 * 2 * 16 * 2)});  // four pages of TinyModel
  const Output much = Ask(Prompt(200), 100);
  EXPECT_EQ(much.status.error_code(), grpc::StatusCode::OUT_OF_RANGE) << much.ForPeople();
  EXPECT_TRUE(much.ids.empty());
  EXPECT_THAT(much.status.error_message(), testing::HasSubstr("key-value cache"));
  for (int i = 0; i < 3; ++i) {
    const Output fits = Ask(Prompt(200), 56);
    EXPECT_TRUE(fits.status.ok()) << fits.ForPeople();
    EXPECT_EQ(fits.final.usage().cached_prompt_tokens(), i == 0 ? 0u : 192u);
  }
}

}  // namespace
}  // namespace recycling::integration
