#include "tests/fault/method_list.h"

#include <utility>

#include "recycling/drafter/v1/drafter.pb.h"
#include "recycling/gateway/v1/gateway.pb.h"

namespace recycling::fault {
namespace {

// Encodes a length-delimited field of a message whose type this program does not have.
std::string TextField(int number, const std::string& text) {
  return std::string(1, static_cast<char>(number << 3 | 2)) +
         std::string(1, static_cast<char>(text.size())) + text;
}

template <typename Message>
Method Calls(const std::string& path, const std::vector<Message>& messages) {
  Method method = {.path = path, .type = std::make_shared<Message>()};
  for (const Message& message : messages) method.messages.push_back(message.SerializeAsString());
  return method;
}

std::vector<Method> OfVerifier(const ServiceFacts& facts) {
  const std::string service = "/recycling.verifier.v1.VerifierService/";
  verifier::v1::DecodeRequest open;
  for (const std::uint32_t id : {1u, 5u, 9u, 70u}) open.mutable_open()->add_prompt_ids(id);
  open.mutable_open()->add_generated_ids(80);
  *open.mutable_open()->mutable_model() = facts.verifier.model();
  open.mutable_open()->set_numerics_id(facts.verifier.numerics_id());
  open.mutable_open()->set_want_candidates(true);
  open.mutable_open()->set_learn_last(3);
  open.mutable_open()->mutable_sampling()->set_temperature(0.7f);
  open.mutable_open()->mutable_sampling()->set_seed(1);
  verifier::v1::DecodeRequest step;
  step.mutable_verify()->set_base(5);
  auto* tree = step.mutable_verify()->mutable_tree();
  tree->set_base(5);
  tree->set_root(80);
  for (const std::uint32_t token : {70u, 71u, 72u}) tree->add_tokens(token);
  for (const std::uint32_t parent : {0u, 0u, 1u}) tree->add_parents(parent);
  verifier::v1::VerifyRequest verify;
  *verify.mutable_open() = open.open();
  *verify.mutable_verify() = step.verify();
  return {Calls<verifier::v1::HandshakeRequest>(service + "Handshake", {{}}),
          Calls<verifier::v1::GetTokenizerRequest>(service + "GetTokenizer", {{}}),
          Calls<verifier::v1::DecodeRequest>(service + "Decode", {open, step}),
          Calls<verifier::v1::DecodeRequest>(service + "Decode", {open, step, step, open}),
          Calls<verifier::v1::VerifyRequest>(service + "Verify", {verify})};
}

std::vector<Method> OfDrafter(const ServiceFacts& facts) {
  const std::string service = "/recycling.drafter.v1.DrafterService/";
  drafter::v1::HandshakeRequest handshake;
  *handshake.mutable_model() = facts.verifier.model();
  handshake.set_k(facts.verifier.k());
  handshake.set_protocol_version(1);
  drafter::v1::DraftRequest open;
  *open.mutable_open()->mutable_model() = facts.verifier.model();
  open.mutable_open()->set_k(facts.verifier.k());
  open.mutable_open()->set_tenant("hostile");
  open.mutable_open()->set_scope(common::v1::MATRIX_SCOPE_TENANT);
  drafter::v1::DraftRequest step;
  auto* observation = step.mutable_step()->mutable_observation();
  observation->mutable_candidates()->set_k(facts.verifier.k());
  for (std::uint32_t row = 0; row < 3; ++row) {
    observation->add_tokens(70 + row);
    observation->add_accepted_path(row);
    for (std::uint32_t i = 0; i < facts.verifier.k(); ++i) {
      observation->mutable_candidates()->add_ids(70 + i);
    }
  }
  step.mutable_step()->mutable_prompt()->add_tokens(70);
  *step.mutable_step()->mutable_prompt()->mutable_candidates() = observation->candidates();
  auto* ids = step.mutable_step()->mutable_prompt()->mutable_candidates()->mutable_ids();
  ids->Truncate(static_cast<int>(facts.verifier.k()));
  auto* proposal = step.mutable_step()->mutable_proposal();
  proposal->set_base(5);
  proposal->set_root(70);
  proposal->set_max_nodes(80);
  proposal->set_max_depth(6);
  for (const std::uint32_t nodes : {0u, 8u, 80u}) {
    auto* cost = proposal->add_step_costs();
    cost->set_nodes(nodes);
    cost->set_micros(1000 + nodes);
  }
  drafter::v1::DraftRequest quiet = step;
  quiet.mutable_step()->clear_proposal();
  drafter::v1::ProposeRequest propose;
  *propose.mutable_session() = open.open();
  *propose.mutable_proposal() = *proposal;
  drafter::v1::ObserveRequest observe;
  *observe.mutable_session() = open.open();
  *observe.mutable_observation() = *observation;
  drafter::v1::SaveMatrixRequest save;
  save.set_scope(common::v1::MATRIX_SCOPE_TENANT);
  save.set_tenant("hostile");
  drafter::v1::LoadMatrixRequest target;
  target.mutable_target()->set_scope(common::v1::MATRIX_SCOPE_TENANT);
  target.mutable_target()->set_tenant("hostile");
  drafter::v1::LoadMatrixRequest chunk;
  chunk.set_chunk(facts.snapshot.substr(0, facts.snapshot.size() / 2));
  drafter::v1::LoadMatrixRequest rest;
  rest.set_chunk(facts.snapshot.substr(facts.snapshot.size() / 2));
  return {Calls<drafter::v1::HandshakeRequest>(service + "Handshake", {handshake}),
          Calls<drafter::v1::DraftRequest>(service + "Draft", {open, step, quiet, step}),
          Calls<drafter::v1::ProposeRequest>(service + "Propose", {propose}),
          Calls<drafter::v1::ObserveRequest>(service + "Observe", {observe}),
          Calls<drafter::v1::GetMatrixInfoRequest>(service + "GetMatrixInfo", {{}}),
          Calls<drafter::v1::SaveMatrixRequest>(service + "SaveMatrix", {save}),
          Calls<drafter::v1::LoadMatrixRequest>(service + "LoadMatrix", {target, chunk, rest})};
}

std::vector<Method> OfGateway() {
  const std::string service = "/recycling.gateway.v1.GatewayService/";
  gateway::v1::GenerateRequest text;
  text.set_prompt("the way of the world");
  text.set_request_id("hostile");
  text.add_stop("zzz");
  auto* sampling = text.mutable_sampling();
  sampling->set_temperature(0.8f);
  sampling->set_top_p(0.9f);
  sampling->set_max_tokens(20);
  sampling->set_top_logprobs(2);
  sampling->add_stop_token_ids(7);
  sampling->add_logit_bias()->set_token_id(3);
  text.mutable_speculation()->set_mode(gateway::v1::SPECULATION_MODE_FIXED);
  text.mutable_speculation()->set_learn_from_prompt(true);
  gateway::v1::GenerateRequest ids = text;
  for (const std::uint32_t id : {1u, 5u, 9u}) ids.mutable_prompt_ids()->add_ids(id);
  ids.mutable_sampling()->clear_max_tokens();
  gateway::v1::ChatRequest chat;
  gateway::v1::ChatMessage* message = chat.mutable_conversation()->add_messages();
  message->set_role("user");
  message->set_content("the way of the world");
  message->set_fields("{\"name\": \"hostile\"}");
  chat.mutable_conversation()->set_tools("[{\"name\": \"f\"}]");
  chat.mutable_conversation()->set_template_arguments("{\"a\": [1, 2.5, null]}");
  *chat.mutable_sampling() = text.sampling();
  gateway::v1::ApplyTemplateRequest apply;
  *apply.mutable_conversation() = chat.conversation();
  gateway::v1::TokenizeRequest tokenize;
  tokenize.set_text("Once upon a time");
  gateway::v1::DetokenizeRequest detokenize;
  for (const std::uint32_t id : {1u, 100u, 200u}) detokenize.add_ids(id);
  return {Calls<gateway::v1::GenerateRequest>(service + "Generate", {text}),
          Calls<gateway::v1::GenerateRequest>(service + "Generate", {ids}),
          Calls<gateway::v1::ChatRequest>(service + "Chat", {chat}),
          Calls<gateway::v1::ApplyTemplateRequest>(service + "ApplyTemplate", {apply}),
          Calls<gateway::v1::GetModelRequest>(service + "GetModel", {{}}),
          Calls<gateway::v1::TokenizeRequest>(service + "Tokenize", {tokenize}),
          Calls<gateway::v1::DetokenizeRequest>(service + "Detokenize", {detokenize}),
          Calls<gateway::v1::GetStatsRequest>(service + "GetStats", {{}})};
}

}  // namespace

std::vector<Method> MethodsOf(const std::string& name, const ServiceFacts& facts) {
  std::vector<Method> methods = name == "verifier"  ? OfVerifier(facts)
                                : name == "drafter" ? OfDrafter(facts)
                                                    : OfGateway();
  const std::string service = "recycling." + name + ".v1";
  methods.push_back(
      {.path = "/grpc.health.v1.Health/Check", .messages = {"", TextField(1, service)}});
  methods.push_back({.path = "/grpc.health.v1.Health/Watch", .messages = {TextField(1, service)}});
  // Asks for the list of services, a file by its name, a file by its symbol, and extension numbers.
  methods.push_back(
      {.path = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
       .messages = {TextField(7, "*"), TextField(3, "recycling/" + name + "/v1/" + name + ".proto"),
                    TextField(4, service), TextField(6, service)}});
  methods.push_back({.path = "/" + service + ".Nothing/Nothing", .messages = {"x"}});
  return methods;
}

}  // namespace recycling::fault
