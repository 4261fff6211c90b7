#include "drafter/store/matrix_store.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"

namespace recycling::drafter {
namespace {

constexpr std::size_t kMaxTenantBytes = 128;

absl::Status ValidateTenant(const std::string& tenant) {
  if (!tenant.empty() && tenant.size() <= kMaxTenantBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("tenant: got ", tenant.size(), " bytes, expected 1 to ", kMaxTenantBytes));
}

// The key under which the store keeps a matrix. For the shared matrix, the tenant is empty.
MatrixKey Stored(const MatrixKey& key) {
  return key.scope == MatrixScope::kShared ? MatrixKey{MatrixScope::kShared, ""} : key;
}

}  // namespace

absl::Status MatrixStore::Bind(const MatrixBinding& binding) {
  RETURN_IF_ERROR(ValidateBinding(binding));
  const std::uint64_t bytes = ScopeMemory::FirstBytes(binding.model.vocab_size, binding.k);
  const MutexLock lock(mutex_);
  if (binding_.has_value()) return CheckSameBinding(binding, *binding_);
  if (bytes > options_.max_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a matrix of ", binding.model.vocab_size, " rows of ", binding.k, " takes ",
                     bytes, " bytes, expected at most ", options_.max_bytes));
  }
  RETURN_IF_ERROR(CheckBase(binding));
  binding_ = binding;
  return absl::OkStatus();
}

std::optional<MatrixBinding> MatrixStore::binding() const {
  const MutexLock lock(mutex_);
  return binding_;
}

absl::Status MatrixStore::SetBase(std::unique_ptr<const BaseMatrix> base, BaseMustFit must_fit) {
  const MutexLock lock(mutex_);
  base_ = std::move(base);
  base_must_fit_ = must_fit;
  return binding_.has_value() ? CheckBase(*binding_) : absl::OkStatus();
}

absl::Status MatrixStore::CheckBase(const MatrixBinding& binding) {
  if (base_ == nullptr) return absl::OkStatus();
  const absl::Status same = CheckSameBinding(base_->binding, binding);
  base_fits_ = same.ok();
  if (same.ok()) return same;
  const std::string error = absl::StrCat("base matrix ", base_->path, ": ", same.message());
  if (base_must_fit_ == BaseMustFit::kYes) return absl::FailedPreconditionError(error);
  Log(LogLevel::kWarning, "the base matrix belongs to another model and is not used",
      {{"error", error}});
  base_.reset();
  return absl::OkStatus();
}

const AdjacencyMatrix* MatrixStore::base() const {
  const MutexLock lock(mutex_);
  return base_fits_ ? &base_->matrix : nullptr;
}

absl::StatusOr<std::shared_ptr<ScopeMemory>> MatrixStore::Use(const MatrixKey& key) {
  if (key.scope == MatrixScope::kRequest) {
    RETURN_IF_ERROR(ValidateTenant(key.tenant));
    const MutexLock lock(mutex_);
    ASSIGN_OR_RETURN(std::shared_ptr<ScopeMemory> memory, AllocateLocked());
    requests_.remove_if([](const auto& request) { return request.second.expired(); });
    requests_.emplace_front(key.tenant, memory);
    return memory;
  }
  RETURN_IF_ERROR(ValidateKey(key));
  const MatrixKey stored = Stored(key);
  const MutexLock lock(mutex_);
  if (const auto found = index_.find(stored); found != index_.end()) {
    entries_.splice(entries_.begin(), entries_, found->second);
    return found->second->memory;
  }
  ASSIGN_OR_RETURN(std::shared_ptr<ScopeMemory> memory, AllocateLocked());
  InsertLocked(stored, memory);
  return memory;
}

absl::StatusOr<std::shared_ptr<ScopeMemory>> MatrixStore::Find(const MatrixKey& key) const {
  RETURN_IF_ERROR(ValidateKey(key));
  const MatrixKey stored = Stored(key);
  const MutexLock lock(mutex_);
  const auto found = index_.find(stored);
  if (found == index_.end()) return absl::NotFoundError("this drafter holds no such matrix");
  return found->second->memory;
}

absl::StatusOr<std::shared_ptr<ScopeMemory>> MatrixStore::Allocate() {
  const MutexLock lock(mutex_);
  return AllocateLocked();
}

absl::Status MatrixStore::Replace(const MatrixKey& key, std::shared_ptr<ScopeMemory> memory) {
  RETURN_IF_ERROR(ValidateKey(key));
  const MatrixKey stored = Stored(key);
  const MutexLock lock(mutex_);
  if (const auto found = index_.find(stored); found != index_.end()) {
    entries_.erase(found->second);
    index_.erase(found);
  }
  InsertLocked(stored, std::move(memory));
  return absl::OkStatus();
}

void MatrixStore::GrowTo(int bits, ScopeMemory* memory) {
  const MutexLock lock(mutex_);
  while (memory->pairs.bits() < std::min(bits, PairMatrix::kLastBits) && GrowOnce(memory)) {
  }
}

void MatrixStore::Grow(ScopeMemory* memory) {
  if (!memory->pairs.WantsToGrow()) return;
  const MutexLock lock(mutex_);
  if (memory->pairs.WantsToGrow()) GrowOnce(memory);
}

bool MatrixStore::GrowOnce(ScopeMemory* memory) {
  const std::uint64_t bytes = memory->pairs.memory_bytes();  // it takes as many again
  if (*bytes_ + bytes > options_.max_bytes) return false;
  memory->pairs.Grow();
  *bytes_ += bytes;
  return true;
}

std::vector<MatrixStore::Entry> MatrixStore::List() const {
  const MutexLock lock(mutex_);
  std::vector<Entry> all;
  for (const auto& [tenant, request] : requests_) {
    if (std::shared_ptr<ScopeMemory> memory = request.lock()) {
      all.push_back({{MatrixScope::kRequest, tenant}, std::move(memory)});
    }
  }
  all.insert(all.end(), entries_.begin(), entries_.end());
  return all;
}

absl::Status MatrixStore::ValidateKey(const MatrixKey& key) const {
  switch (key.scope) {
    case MatrixScope::kTenant:
      return ValidateTenant(key.tenant);
    case MatrixScope::kShared:
      if (options_.allow_shared) return absl::OkStatus();
      return absl::FailedPreconditionError(
          "scope: got SHARED, which the operator of this drafter does not allow (--allow_shared)");
    case MatrixScope::kRequest:
      break;
  }
  return absl::InvalidArgumentError("scope: got REQUEST, expected a scope that outlives a request");
}

absl::StatusOr<std::shared_ptr<ScopeMemory>> MatrixStore::AllocateLocked() {
  if (!binding_.has_value()) {
    return absl::FailedPreconditionError("no model is bound yet, expected a handshake first");
  }
  const std::uint32_t vocab_size = binding_->model.vocab_size;
  const std::uint64_t bytes = ScopeMemory::FirstBytes(vocab_size, binding_->k);
  RETURN_IF_ERROR(MakeRoom(bytes));
  std::shared_ptr<ScopeMemory> memory(new ScopeMemory(vocab_size, binding_->k),
                                      [counter = bytes_](ScopeMemory* dropped) {
                                        const std::uint64_t dropped_bytes = dropped->memory_bytes();
                                        delete dropped;
                                        *counter -= dropped_bytes;
                                      });
  *bytes_ += bytes;
  return memory;
}

absl::Status MatrixStore::MakeRoom(std::uint64_t bytes) {
  const auto fits = [&](std::uint64_t dropped) {
    return *bytes_ - dropped + bytes <= options_.max_bytes;
  };
  std::uint64_t idle = 0;
  for (const Entry& entry : entries_) {
    if (entry.memory.use_count() == 1) idle += entry.memory->memory_bytes();
  }
  if (!fits(idle)) {
    return absl::ResourceExhaustedError(
        absl::StrCat("matrices in use take ", *bytes_ - idle, " bytes, another ", bytes,
                     " bytes do not fit into ", options_.max_bytes));
  }
  auto entry = entries_.end();
  while (!fits(0) && entry != entries_.begin()) {
    --entry;
    // A caller gets a matrix only under mutex_ or from another caller that holds it. If use_count
    // is 1, only the store holds the matrix, so use_count cannot grow while mutex_ is locked.
    if (entry->memory.use_count() > 1) continue;
    Log(LogLevel::kInfo, "dropped the least recently used matrix",
        {{"tenant", entry->key.tenant},
         {"rows_filled", absl::StrCat(entry->memory->matrix.rows_filled())}});
    index_.erase(entry->key);
    entry = entries_.erase(entry);
  }
  return absl::OkStatus();
}

void MatrixStore::InsertLocked(const MatrixKey& key, std::shared_ptr<ScopeMemory> memory) {
  entries_.push_front({key, std::move(memory)});
  index_.emplace(key, entries_.begin());
}

}  // namespace recycling::drafter
