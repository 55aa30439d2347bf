// SPDX-License-Identifier: Apache-2.0
// Allocations for the size of the file that an export writes, which is more than the payloads of linears:
// vocabulary, header, alignment, and tensors that a format stores in its own way.
#pragma once

#include "core/allocate/scheme_allocation.h"

namespace qs {

/// Exact bytes of the file for an allocation.
using FileSize = std::function<Result<uint64_t>(const SchemeAllocation&)>;
using Allocate = std::function<Result<SchemeAllocation>(const AllocationRequest&)>;

/// The best allocation found whose file has at most `bytes`. `request` without its target. A file grows with
/// the payloads, but not by the same bytes: budgets are corrected by what a file misses or exceeds, at most
/// 24 times. InvalidArgument when the smallest file found is larger; says its bytes. Errors of `allocate` and
/// `size`.
Result<SchemeAllocation> allocateForFile(AllocationRequest request, uint64_t bytes, const Allocate& allocate,
                                         const FileSize& size);

} // namespace qs
