// The GoogleMock stubs that protoc generates: verifier::v1::MockVerifierServiceStub,
// drafter::v1::MockDrafterServiceStub, gateway::v1::MockGatewayServiceStub; and
// grpc::testing::MockClientReaderWriter and its siblings for the streams they return.
#ifndef RECYCLING_TESTS_DOUBLES_MOCK_STUBS_H_
#define RECYCLING_TESTS_DOUBLES_MOCK_STUBS_H_

#include <grpcpp/test/mock_stream.h>

#include "recycling/drafter/v1/drafter_mock.grpc.pb.h"
#include "recycling/gateway/v1/gateway_mock.grpc.pb.h"
#include "recycling/verifier/v1/verifier_mock.grpc.pb.h"

#endif  // RECYCLING_TESTS_DOUBLES_MOCK_STUBS_H_
