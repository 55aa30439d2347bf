// SPDX-License-Identifier: Apache-2.0
// How a receipt is written for people.
#pragma once

#include "core/export/exporter.h"

namespace qs::cli {

/// Planned and done per tensor, the largest difference, SHA-256 of every file, the verdict.
std::string receiptText(const Receipt& receipt);

} // namespace qs::cli
