// The gateway over real gRPC, with fake verifiers and drafters.
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/contract/gateway_service_fixture.h"

namespace recycling::gateway {
namespace {

TEST_F(GatewayServiceTest, GeneratesTheModelsTokensWithAndWithoutDrafting) {
  AddVerifier();
  AddDrafter();
  Start();
  const Generated drafted =
      Generate("prompt_ids { ids: [5, 6, 7] } sampling { max_tokens: 30 } request_id: 'mine'");
  const Generated plain = Generate(
      "prompt_ids { ids: [5, 6, 7] } sampling { max_tokens: 30 } "
      "speculation { mode: SPECULATION_MODE_OFF }");
  for (const Generated* generated : {&drafted, &plain}) {
    EXPECT_THAT(generated->status, IsOk());
    EXPECT_EQ(generated->tokens(), Plain(30));
    EXPECT_EQ(generated->final.finish_reason(), v1::FINISH_REASON_LENGTH);
    EXPECT_EQ(generated->final.usage().prompt_tokens(), 3u);
    EXPECT_EQ(generated->final.usage().completion_tokens(), 30u);
    EXPECT_EQ(generated->final.speculation().verifier(), "verifier-0");
  }
  EXPECT_EQ(drafted.text(), plain.text());
  EXPECT_EQ(drafted.started.request_id(), "mine");
  EXPECT_EQ(drafted.started.prompt_tokens(), 3u);
  EXPECT_THAT(plain.started.request_id(), SizeIs(16));
  EXPECT_GT(drafted.final.speculation().mean_accepted_tokens(), 2.0);
  EXPECT_EQ(drafted.final.speculation().drafter(), "drafter-0");
  EXPECT_EQ(plain.final.speculation().mean_accepted_tokens(), 1.0);
  EXPECT_EQ(plain.final.speculation().drafter(), "");
}

// The accepted nodes of all traces, and the tokens after them, are the output. The statistics count
// the same nodes.
TEST_F(GatewayServiceTest, TracesShowTheTreesOfTheSteps) {
  AddVerifier();
  AddDrafter();
  Start();
  const std::string request = "prompt_ids { ids: [5, 6, 7] } sampling { max_tokens: 20 } ";
  const Generated traced =
      Generate(request + "speculation { mode: SPECULATION_MODE_FULL trace: true }");
  ASSERT_THAT(traced.status, IsOk());
  EXPECT_EQ(traced.tokens(), Plain(20));
  std::vector<TokenId> path;
  std::uint64_t proposed = 0, accepted = 0;
  for (const v1::Delta& delta : traced.deltas) {
    ASSERT_TRUE(delta.has_trace());
    const v1::StepTrace& trace = delta.trace();
    ASSERT_EQ(trace.pieces_size(), trace.tree().tokens_size() + 2);
    for (const std::uint32_t node : trace.accepted_nodes()) {
      path.push_back(trace.tree().tokens(static_cast<int>(node) - 1));
      ++accepted;
    }
    path.push_back(trace.next());
    proposed += static_cast<std::uint64_t>(trace.tree().tokens_size());
  }
  path.resize(20);
  EXPECT_EQ(path, Plain(20));
  ASSERT_EQ(traced.final.speculation().sources_size(), 1);
  const v1::SourceStats& matrix = traced.final.speculation().sources(0);
  EXPECT_EQ(matrix.source(), common::v1::DRAFT_SOURCE_MATRIX);
  EXPECT_EQ(matrix.proposed(), proposed);
  EXPECT_EQ(matrix.accepted(), accepted);
  EXPECT_EQ(matrix.proposed_alone(), proposed);
  EXPECT_GT(accepted, 0u);
  for (const v1::Delta& delta : Generate(request).deltas) EXPECT_FALSE(delta.has_trace());
}

TEST_F(GatewayServiceTest, TheClientReceivesAStepsTextBeforeTheNextStepIsAnswered) {
  Counter received;
  AddVerifier({.on_answer = [&](std::uint64_t step) { received.Await(static_cast<int>(step)); }});
  Start();
  const Generated generated = Generate(
      "prompt_ids { ids: [5, 6, 7] } sampling { max_tokens: 6 } "
      "speculation { mode: SPECULATION_MODE_OFF }",
      nullptr, [&](const v1::GenerateResponse& response) {
        if (response.has_delta()) received.Increment();
      });
  EXPECT_THAT(generated.status, IsOk());
  EXPECT_EQ(generated.tokens(), Plain(6));
}

TEST_F(GatewayServiceTest, TheTokenizerMakesTheTextAndAStopStringCutsIt) {
  AddVerifier();
  Start();
  const Generated whole = Generate("prompt: 'hello' sampling { max_tokens: 20 }");
  ASSERT_THAT(whole.status, IsOk());
  grpc::ClientContext context;
  v1::DetokenizeRequest request;
  v1::DetokenizeResponse detokenized;
  const std::vector<TokenId> tokens = whole.tokens();
  request.mutable_ids()->Add(tokens.begin(), tokens.end());
  ASSERT_TRUE(stub_->Detokenize(&context, request, &detokenized).ok());
  EXPECT_EQ(whole.text(), " " + detokenized.text());  // only the first dummy prefix is removed

  const std::string stop = whole.text().substr(whole.text().size() / 2, 4);
  const Generated cut =
      Generate("prompt: 'hello' sampling { max_tokens: 20 } stop: '" + stop + "'");
  EXPECT_EQ(cut.final.finish_reason(), v1::FINISH_REASON_STOP_STRING);
  EXPECT_EQ(cut.final.matched_stop(), stop);
  EXPECT_EQ(cut.text(), whole.text().substr(0, whole.text().find(stop)));
  EXPECT_EQ(cut.final.usage().completion_tokens(), cut.tokens().size());
}

TEST_F(GatewayServiceTest, TheGatewayReportsItsRandomSeedAndItGivesTheSameTokensAgain) {
  AddVerifier();
  Start();
  const Generated first =
      Generate("prompt: 'hello' sampling { max_tokens: 20 temperature: 1 top_logprobs: 2 }");
  EXPECT_EQ(first.final.seed(), first.started.seed());
  const Generated again =
      Generate("prompt: 'hello' sampling { max_tokens: 20 temperature: 1 seed: " +
               std::to_string(first.final.seed()) + " }");
  EXPECT_EQ(again.tokens(), first.tokens());
  for (const v1::Delta& delta : first.deltas)
    EXPECT_EQ(delta.logprobs_size(), delta.token_ids_size());
  EXPECT_EQ(again.deltas[0].logprobs_size(), 0);
}

TEST_F(GatewayServiceTest, RefusesFieldsOutOfRangeAndNamesTheField) {
  AddVerifier({.context_length = 16});
  Start();
  std::string many_stops, long_prompt;
  for (int i = 0; i < 17; ++i) many_stops += " stop: 'x'";
  for (int i = 0; i < 16; ++i) long_prompt += "ids: 5 ";
  const std::string prompt = "prompt_ids { ids: [5, 6, 7] } ";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "prompt"},
      {"prompt_ids {}", "prompt: got no tokens"},
      {"prompt_ids { ids: 320 }", "prompt_ids: got token id 320"},
      {"prompt_ids { " + long_prompt + " }", "prompt: got 16 tokens, expected at most 15"},
      {prompt + "sampling { max_tokens: 14 }", "max_tokens: got 14, expected at most 13"},
      {prompt + "sampling { max_tokens: 0 }", "max_tokens"},
      {prompt + "sampling { min_tokens: 14 }", "min_tokens"},
      {prompt + "sampling { temperature: -1 }", "temperature"},
      {prompt + "sampling { temperature: nan }", "temperature"},
      {prompt + "sampling { top_p: 0 }", "top_p"},
      {prompt + "sampling { stop_token_ids: 320 }", "stop_token_ids"},
      {prompt + "sampling { top_logprobs: 21 }", "top_logprobs"},
      {prompt + many_stops, "stop: got 17 strings"},
      {prompt + "stop: ''", "stop: got a string of 0 bytes"},
      {prompt + "stop: '" + std::string(1025, 'x') + "'", "stop: got a string of 1025 bytes"},
      {prompt + "request_id: '" + std::string(129, 'x') + "'", "request_id: got 129 bytes"},
      {prompt + "speculation { mode: 9 }", "speculation.mode: got unknown value 9"},
      {prompt + "speculation { matrix_scope: 9 }", "matrix_scope: got unknown value 9"}};
  for (const auto& [request, message] : cases) {
    EXPECT_THAT(Generate(request).status,
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)))
        << request;
  }
  EXPECT_EQ(Stats().requests_failed(), cases.size());
  EXPECT_EQ(verifiers_[0]->fake().open_sequences(), 0);
  EXPECT_THAT(Generate(prompt).status, IsOk());
}

TEST_F(GatewayServiceTest, TextThatIsNotUtf8IsInvalidArgument) {
  AddVerifier();
  Start();
  v1::GenerateRequest request;
  request.set_prompt("caf\xC3");
  grpc::ClientContext context;
  const auto reader = stub_->Generate(&context, request);
  v1::GenerateResponse response;
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_THAT(FromGrpcStatus(reader->Finish()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("UTF-8")));

  v1::TokenizeRequest tokenize;
  tokenize.set_text("\xFF");
  grpc::ClientContext tokenize_context;
  v1::TokenizeResponse ids;
  EXPECT_THAT(FromGrpcStatus(stub_->Tokenize(&tokenize_context, tokenize, &ids)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("UTF-8")));
}

TEST_F(GatewayServiceTest, AMessageThatIsTooLargeIsResourceExhausted) {
  AddVerifier();
  Start();
  EXPECT_THAT(Generate("prompt: '" + std::string(1 << 17, 'x') + "'").status,
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(Generate("prompt: 'x' sampling { max_tokens: 2 }").status, IsOk());
}

TEST_F(GatewayServiceTest, OneRequestTooManyIsRefusedAndACancelledRequestFreesItsSlots) {
  options_.max_requests = 1;
  options_.admission.max_queue = 0;
  AddVerifier({.fault = [](std::uint64_t step) {
    return step == 1 ? VerifierFault::kSilent : VerifierFault::kNone;
  }});
  Start();
  const std::string request = "prompt: 'hello' sampling { max_tokens: 5 }";
  grpc::ClientContext context;
  const Generated first = Generate(request, &context, [&](const v1::GenerateResponse& response) {
    if (!response.has_delta()) return;
    EXPECT_THAT(Generate(request).status,
                StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("requests")));
    EXPECT_EQ(verifiers_[0]->fake().open_sequences(), 1);
    context.TryCancel();
  });
  EXPECT_THAT(first.status, StatusIs(absl::StatusCode::kCancelled));
  AwaitStats([&](const v1::GetStatsResponse& stats) {
    return stats.requests_running() == 0 && verifiers_[0]->fake().open_sequences() == 0 &&
           stats.peers(0).requests_running() == 0;
  });
  EXPECT_EQ(Stats().requests_failed(), 2u);
}

TEST_F(GatewayServiceTest, TheDeadlineEndsARequestAndFreesItsSlot) {
  AddVerifier({.fault = [](std::uint64_t) { return VerifierFault::kSilent; }});
  Start();
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(100));
  EXPECT_THAT(Generate("prompt: 'hello'", &context).status,
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  AwaitStats([&](const v1::GetStatsResponse& stats) {
    return stats.requests_running() == 0 && verifiers_[0]->fake().open_sequences() == 0;
  });
  EXPECT_EQ(Stats().requests_failed(), 1u);
}

TEST_F(GatewayServiceTest, AnErrorAfterTheLastMoveReachesTheClientAfterTheTokens) {
  options_.moves.max_moves = 0;
  options_.moves.patience = absl::ZeroDuration();
  const std::vector<std::pair<absl::StatusCode, absl::StatusCode>> codes = {
      {absl::StatusCode::kInvalidArgument, absl::StatusCode::kInvalidArgument},
      {absl::StatusCode::kFailedPrecondition, absl::StatusCode::kUnavailable},
      {absl::StatusCode::kInternal, absl::StatusCode::kInternal},
      {absl::StatusCode::kDataLoss, absl::StatusCode::kUnavailable},
      {absl::StatusCode::kUnavailable, absl::StatusCode::kUnavailable}};
  for (const auto& [code, expected] : codes) {
    AddVerifier({.fault =
                     [](std::uint64_t step) {
                       return step == 3 ? VerifierFault::kError : VerifierFault::kNone;
                     },
                 .error = absl::Status(code, "scripted")});
    Start();
    const Generated generated =
        Generate("prompt_ids { ids: [5, 6, 7] } sampling { max_tokens: 9 }");
    EXPECT_THAT(generated.status,
                StatusIs(expected, AllOf(HasSubstr("verifier-0"), HasSubstr("scripted"))));
    EXPECT_EQ(generated.tokens(), Plain(3));
    EXPECT_FALSE(generated.final.has_usage());
    Stop();
  }
}

TEST_F(GatewayServiceTest, AStreamContinuesAtAnotherVerifierAndTheStatisticsCountTheMove) {
  const auto dies = [](std::uint64_t step) {
    return step == 3 ? VerifierFault::kError : VerifierFault::kNone;
  };
  AddVerifier({.fault = dies, .error = absl::UnavailableError("scripted")});
  AddVerifier();
  Start();
  const Generated generated = Generate("prompt_ids { ids: [5, 6, 7] } sampling { max_tokens: 9 }");
  ASSERT_THAT(generated.status, IsOk());
  EXPECT_EQ(generated.tokens(), Plain(9));
  EXPECT_EQ(generated.final.speculation().moves(), 1u);
  EXPECT_EQ(generated.final.speculation().retries(), 1u);
  EXPECT_EQ(generated.final.speculation().verifier(), "verifier-1");
  EXPECT_EQ(Stats().speculation().moves(), 1u);
}

TEST_F(GatewayServiceTest, AVerifierThatBreaksTheProtocolIsAnErrorNotACrash) {
  const std::vector<std::pair<VerifierFault, absl::StatusCode>> faults = {
      {VerifierFault::kNoTokens, absl::StatusCode::kInternal},
      {VerifierFault::kWrongStep, absl::StatusCode::kInternal},
      {VerifierFault::kUnknownToken, absl::StatusCode::kInternal},
      {VerifierFault::kDropped, absl::StatusCode::kUnavailable}};
  std::atomic<VerifierFault> fault = VerifierFault::kNone;
  AddVerifier({.fault = [&](std::uint64_t) { return fault.load(); }});
  AddDrafter();
  Start();
  for (const auto& [which, code] : faults) {
    fault = which;
    AwaitStats([](const v1::GetStatsResponse& stats) { return stats.peers(0).ready(); });
    EXPECT_THAT(Generate("prompt: 'hello'").status, StatusIs(code));
  }
}

TEST_F(GatewayServiceTest, ADrafterThatMisbehavesChangesNoToken) {
  draft_deadline_ = absl::Milliseconds(1);
  const std::vector<std::pair<DraftFault, v1::FallbackReason>> faults = {
      {DraftFault::kError, v1::FALLBACK_REASON_ERROR},
      {DraftFault::kSilent, v1::FALLBACK_REASON_TIMEOUT},
      {DraftFault::kDropped, v1::FALLBACK_REASON_UNAVAILABLE},
      {DraftFault::kStale, v1::FALLBACK_REASON_STALE},
      {DraftFault::kLengthsDiffer, v1::FALLBACK_REASON_MALFORMED},
      {DraftFault::kCycle, v1::FALLBACK_REASON_MALFORMED}};
  for (const auto& [which, reason] : faults) {
    // Each fault gets a new gateway, because a gateway may eject the drafter after one fault.
    AddVerifier();
    AddDrafter({.fault = [fault = which](std::uint64_t) { return fault; }});
    Start();
    AwaitStats([](const v1::GetStatsResponse& stats) { return stats.peers(1).ready(); });
    const Generated generated =
        Generate("prompt_ids { ids: [5, 6, 7] } sampling { max_tokens: 12 }");
    EXPECT_THAT(generated.status, IsOk());
    EXPECT_EQ(generated.tokens(), Plain(12));
    EXPECT_GT(generated.fallbacks(reason) +
                  generated.fallbacks(v1::FALLBACK_REASON_TIMEOUT),  // if the machine was slow
              0u)
        << generated.final.ShortDebugString();
    Stop();
  }
}

TEST_F(GatewayServiceTest, TheDrafterGetsThePromptAndTheParentOfEachRow) {
  struct Heard {
    Mutex mutex;
    std::vector<TokenId> committed;
    std::vector<Observation> observations;
  };
  // The last observation may reach the drafter after this test has ended.
  const auto heard = std::make_shared<Heard>();
  AddVerifier();
  AddDrafter({.on_open =
                  [heard](const OpenDrafting& open) {
                    MutexLock lock(heard->mutex);
                    heard->committed = open.committed;
                  },
              .on_step =
                  [heard](const DraftStep& step) {
                    if (!step.observation.has_value()) return;
                    MutexLock lock(heard->mutex);
                    heard->observations.push_back(*step.observation);
                  }});
  Start();
  AwaitStats([](const v1::GetStatsResponse& stats) { return stats.peers(1).ready(); });
  EXPECT_THAT(Generate("prompt_ids { ids: [5, 6, 7] } sampling { max_tokens: 20 } "
                       "speculation { mode: SPECULATION_MODE_ON node_budget: 4 }")
                  .status,
              IsOk());
  MutexLock lock(heard->mutex);
  EXPECT_THAT(heard->committed, ElementsAre(5, 6, 7));
  ASSERT_FALSE(heard->observations.empty());
  for (const Observation& observation : heard->observations) {
    ASSERT_EQ(observation.parents.size(), observation.tokens.size());
    for (std::size_t i = 1; i < observation.accepted_path.size(); ++i) {
      EXPECT_EQ(observation.parents[static_cast<std::size_t>(observation.accepted_path[i])],
                observation.accepted_path[i - 1]);
    }
  }
}

TEST_F(GatewayServiceTest, ADrafterOfAnotherModelIsEjectedAndCounted) {
  AddVerifier();
  auto stranger = std::make_unique<FakeDrafterService>();
  ModelIdentity other = doubles::ToyModel().Identity();
  other.model_id = "other";
  stranger->set_identity(other);
  AddDrafter(std::move(stranger));
  Start();
  const Generated generated = Generate("prompt_ids { ids: [5, 6, 7] } sampling { max_tokens: 9 }");
  EXPECT_EQ(generated.tokens(), Plain(9));
  EXPECT_EQ(generated.fallbacks(v1::FALLBACK_REASON_MISMATCH), 8u);
  const v1::Peer peer = Stats().peers(1);
  EXPECT_EQ(peer.role(), v1::PEER_ROLE_DRAFTER);
  EXPECT_FALSE(peer.ready());
  EXPECT_THAT(peer.detail(), AllOf(HasSubstr("FAILED_PRECONDITION"), HasSubstr("refused")));
}

TEST_F(GatewayServiceTest, RefusesAVerifierThatDiffersFromTheFirst) {
  AddVerifier();
  AddVerifier({.numerics_id = "other arithmetic"});
  auto future = std::make_unique<FakeVerifierService>();
  future->set_edit_handshake([](auto& handshake) { handshake.set_protocol_version(2); });
  AddVerifier(std::move(future));
  Start();
  const v1::GetStatsResponse stats = Stats();
  const int first =
      stats.peers(0).ready() ? 0 : 1;  // the index of the verifier that answered first
  EXPECT_TRUE(stats.peers(first).ready());
  EXPECT_THAT(stats.peers(1 - first).detail(),
              AllOf(HasSubstr("FAILED_PRECONDITION"), HasSubstr("numerics_id"),
                    HasSubstr("other arithmetic")));
  EXPECT_THAT(stats.peers(2).detail(), HasSubstr("protocol_version: got 2, expected 1"));
  EXPECT_THAT(Generate("prompt: 'x' sampling { max_tokens: 2 }").status, IsOk());
}

// A request for two tokens after 70 ids. The first 40 ids are always the same, the others are
// `rest`.
std::string RequestOf70Ids(TokenId rest) {
  std::vector<std::string> ids(40, "5");
  ids.resize(70, absl::StrCat(rest));
  return absl::StrCat("prompt_ids { ids: [", absl::StrJoin(ids, ", "),
                      "] } sampling { max_tokens: 2 }");
}

TEST_F(GatewayServiceTest, RoutesByPrefixesInPagesOfTheVerifiersSize) {
  AddVerifier({.page_tokens = 64});
  Start();
  EXPECT_THAT(Generate(RequestOf70Ids(6)).status, IsOk());
  EXPECT_THAT(Generate(RequestOf70Ids(7)).status, IsOk());
  EXPECT_EQ(Stats().prefix_routed(), 0u) << "40 equal tokens are less than a page of 64";
  EXPECT_THAT(Generate(RequestOf70Ids(6)).status, IsOk());
  EXPECT_EQ(Stats().prefix_routed(), 1u) << "64 equal tokens are a page";
}

TEST_F(GatewayServiceTest, VerifiersWithoutAPageSizeOrWithAnAbsurdOneStillServe) {
  for (const std::uint32_t page_tokens : {0U, 1U, 0xffffffffU}) {
    auto service = std::make_unique<FakeVerifierService>();
    service->set_edit_handshake([=](auto& handshake) { handshake.set_page_tokens(page_tokens); });
    AddVerifier(std::move(service));
  }
  Start();
  for (int i = 0; i < 6; ++i) EXPECT_THAT(Generate(RequestOf70Ids(6)).status, IsOk());
}

TEST_F(GatewayServiceTest, AnotherVerifierAtTheSameAddressAfterTheHandshakeDecodesNothing) {
  std::atomic<bool> replaced = false;
  auto service =
      std::make_unique<FakeVerifierService>();  // accepts an open only with numerics id "toy"
  service->set_edit_handshake([&](auto& handshake) {
    if (!replaced) handshake.set_numerics_id("before");
  });
  AddVerifier(std::move(service));
  Start();
  const Generated generated = Generate("prompt: 'hello'");
  EXPECT_THAT(generated.status,
              StatusIs(absl::StatusCode::kUnavailable,
                       AllOf(HasSubstr("verifier-0"), HasSubstr("numerics_id: got before"))));
  EXPECT_THAT(generated.deltas, SizeIs(0));
  replaced = true;
  AwaitStats([](const v1::GetStatsResponse& stats) {
    return !stats.peers(0).ready() && stats.peers(0).detail().starts_with("FAILED_PRECONDITION");
  });
}

TEST_F(GatewayServiceTest, RefusesATokenizerThatDiffersFromTheHandshake) {
  auto liar = std::make_unique<FakeVerifierService>();
  liar->set_edit_handshake([](auto& handshake) {
    handshake.mutable_model()->set_tokenizer_digest(std::string(32, 'x'));
  });
  AddVerifier(std::move(liar));
  Start(/*wait_until_ready=*/false);
  AwaitStats([](const v1::GetStatsResponse& stats) {
    return stats.peers_size() == 1 &&
           stats.peers(0).detail().find("DATA_LOSS") != std::string::npos;
  });
}

TEST_F(GatewayServiceTest, RequestsGoToTheLeastLoadedVerifier) {
  Gate gate;
  AddVerifier({.on_call = [&](const std::string& call) {
    if (call == "verifier.verify 0") gate.Pass();
  }});
  AddVerifier();
  Start();
  const std::string request = "prompt: 'x' sampling { max_tokens: 3 }";
  std::thread first(
      [&] { EXPECT_EQ(Generate(request).final.speculation().verifier(), "verifier-0"); });
  AwaitStats([](const auto& stats) { return stats.peers(0).requests_running() == 1; });
  EXPECT_EQ(Generate(request).final.speculation().verifier(), "verifier-1");
  gate.Open();
  first.join();
}

TEST_F(GatewayServiceTest, WithoutAVerifierEveryCallIsUnavailable) {
  options_.verifiers.push_back({.address = "nobody"});
  options_.channel = nullptr;
  options_.admission.queue_timeout = absl::Milliseconds(10);
  doubles::FakeDrafterService not_a_verifier;
  servers_["nobody"] = *RpcServer::Start({}, {&not_a_verifier}, {});
  Start(/*wait_until_ready=*/false);
  EXPECT_THAT(Generate("prompt: 'x'").status,
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("verifiers")));
  grpc::ClientContext context;
  v1::GetModelResponse model;
  EXPECT_THAT(FromGrpcStatus(stub_->GetModel(&context, {}, &model)),
              StatusIs(absl::StatusCode::kUnavailable));
  servers_["nobody"]->Shutdown(absl::ZeroDuration());
}

TEST_F(GatewayServiceTest, ReportsReadinessAtOnceAndAtEveryChange) {
  Gate may_greet, ready;
  auto slow = std::make_unique<FakeVerifierService>();
  slow->set_edit_handshake([&](auto&) { may_greet.Pass(); });
  AddVerifier(std::move(slow));
  Start(/*wait_until_ready=*/false);
  bool first = true;
  gateway_->OnReady([&](bool is_ready) {
    EXPECT_EQ(is_ready, !first);
    if (is_ready) ready.Open();
    first = false;
  });
  may_greet.Open();
  ready.Pass();
  gateway_->OnReady([](bool is_ready) { EXPECT_TRUE(is_ready); });
}

TEST_F(GatewayServiceTest, DescribesTheModelAndTokenizesAndDetokenizes) {
  AddVerifier();
  Start();
  grpc::ClientContext model_context;
  v1::GetModelResponse model;
  ASSERT_TRUE(stub_->GetModel(&model_context, {}, &model).ok());
  EXPECT_EQ(model.model().vocab_size(), 320u);
  EXPECT_EQ(model.numerics_id(), "toy");
  EXPECT_THAT(model.eos_token_ids(), ElementsAre(2));

  const auto tokenize = [&](const std::string& request) {
    grpc::ClientContext context;
    v1::TokenizeResponse response;
    EXPECT_TRUE(
        stub_->Tokenize(&context, ParseProto<v1::TokenizeRequest>(request), &response).ok());
    return std::vector<TokenId>(response.ids().begin(), response.ids().end());
  };
  const auto with_bos = tokenize("text: 'bad \\n text'");
  EXPECT_EQ(with_bos[0], 1u);
  const auto ids = tokenize("text: 'bad \\n text' add_special: false");
  EXPECT_EQ(ids.size() + 1, with_bos.size());
  EXPECT_EQ(tokenize("text: '</s>' add_special: false parse_control: true"),
            std::vector<TokenId>{2});

  v1::DetokenizeRequest request;
  request.mutable_ids()->Add(ids.begin(), ids.end());
  grpc::ClientContext context;
  v1::DetokenizeResponse text;
  ASSERT_TRUE(stub_->Detokenize(&context, request, &text).ok());
  EXPECT_EQ(text.text(), "bad \n text");
  request.add_ids(320);
  grpc::ClientContext bad_context;
  EXPECT_THAT(FromGrpcStatus(stub_->Detokenize(&bad_context, request, &text)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("320")));
}

TEST_F(GatewayServiceTest, TokenizesAtMostAMebibyteAndDetokenizesAtMost65536Ids) {
  max_message_bytes_ = 4 << 20;
  AddVerifier();
  Start();
  const auto tokenize = [&](std::size_t bytes) {
    grpc::ClientContext context;
    v1::TokenizeRequest request;
    request.set_text(std::string(bytes, 'a'));
    v1::TokenizeResponse response;
    return FromGrpcStatus(stub_->Tokenize(&context, request, &response));
  };
  EXPECT_THAT(tokenize(1 << 20), IsOk());
  EXPECT_THAT(tokenize((1 << 20) + 1),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("text: got 1048577 bytes, expected at most 1048576")));

  const auto detokenize = [&](int ids) {
    grpc::ClientContext context;
    v1::DetokenizeRequest request;
    for (int i = 0; i < ids; ++i) request.add_ids(5);
    v1::DetokenizeResponse response;
    return FromGrpcStatus(stub_->Detokenize(&context, request, &response));
  };
  EXPECT_THAT(detokenize(65536), IsOk());
  EXPECT_THAT(detokenize(65537), StatusIs(absl::StatusCode::kInvalidArgument,
                                          HasSubstr("ids: got 65537, expected at most 65536")));
}

TEST_F(GatewayServiceTest, StatisticsAddUpOverRequests) {
  AddVerifier();
  AddDrafter();
  Start();
  const Generated first = Generate("prompt_ids { ids: [5, 6, 7] } sampling { max_tokens: 9 }");
  const Generated second = Generate("prompt_ids { ids: [5, 6, 7] } sampling { max_tokens: 5 }");
  const v1::GetStatsResponse stats = Stats();
  EXPECT_EQ(stats.requests_succeeded(), 2u);
  EXPECT_EQ(stats.requests_running(), 0u);
  EXPECT_EQ(stats.prompt_tokens(), 6u);
  EXPECT_EQ(stats.completion_tokens(), 14u);
  EXPECT_EQ(stats.speculation().steps(),
            first.final.speculation().steps() + second.final.speculation().steps());
  // Durations may be cut to microseconds before or after they are summed.
  const auto total = first.final.timings().total_micros() + second.final.timings().total_micros();
  EXPECT_THAT(stats.timings().total_micros(), AnyOf(total, total + 1));
}

TEST(CreateGatewayTest, NamesTheOptionThatIsOutOfRange) {
  const auto refuses = [](const std::string& message,
                          const std::function<void(GatewayOptions&)>& set) {
    GatewayOptions options;
    options.verifiers = {{.address = "127.0.0.1:1"}};
    set(options);
    EXPECT_THAT(CreateGateway(options),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)));
  };
  refuses("verifiers: got none", [](GatewayOptions& o) { o.verifiers.clear(); });
  refuses("max_requests: got 0", [](GatewayOptions& o) { o.max_requests = 0; });
  refuses("draft_deadline", [](GatewayOptions& o) { o.draft_deadline = absl::ZeroDuration(); });
  refuses("node_budget: got -1", [](GatewayOptions& o) { o.defaults.node_budget = -1; });
  refuses("max_queue: got -1", [](GatewayOptions& o) { o.admission.max_queue = -1; });
  refuses("queue_timeout: got 0",
          [](GatewayOptions& o) { o.admission.queue_timeout = absl::ZeroDuration(); });
  refuses("slow_reader_timeout: got -1s",
          [](GatewayOptions& o) { o.readers.timeout = -absl::Seconds(1); });
  refuses("max_unread_outputs: got -1", [](GatewayOptions& o) { o.readers.max_outputs = -1; });
  refuses("drafters_per_tenant: got 0", [](GatewayOptions& o) { o.drafters_per_tenant = 0; });
}

}  // namespace
}  // namespace recycling::gateway
