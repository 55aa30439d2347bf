// SPDX-License-Identifier: Apache-2.0
// What the exporters' verifications share. A receipt line is good exactly when `done` equals `planned`.
#pragma once

#include "core/export/export_source.h"

#include <set>

namespace qs {

/// A tensor copied unchanged: same dtype, shape and bytes as the source's.
Result<void> verifyKept(const Checkpoint& source, size_t index, const Checkpoint& written, Receipt& receipt,
                        const JobContext& job);

/// Every tensor of `written` must be in `expected`; each other one is a bad line.
void verifyNothingElse(const std::set<std::string>& expected, const Checkpoint& written, Receipt& receipt);

/// Adds to `line` what is not finite in `have`, and how far its other values are from `want`, of the same
/// size. How many differ, those that are not finite left out.
uint64_t compareValues(std::span<const float> have, std::span<const float> want, ReceiptLine& line);

/// Adds a line that is not a tensor's ("config.json").
void addFileLine(const std::string& name, const std::string& planned, bool good, const std::string& done,
                 Receipt& receipt);

/// Adds the hashes of all files but receipt.json, bytesWritten (weight files), maxDelta and `verified`.
Result<void> finishReceipt(const std::filesystem::path& directory, Receipt& receipt, const JobContext& job);

/// `verified` from lines and sizes.
bool receiptIsGood(const Receipt& receipt);

/// The first thing that is not as planned; "" when all is.
std::string firstDifference(const Receipt& receipt);

} // namespace qs
