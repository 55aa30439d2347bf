// SPDX-License-Identifier: Apache-2.0
// Layer x module maps as SVG text, for a page without scripts.
#pragma once

#include "core/report/plan_summary.h"

namespace qs::report {

/// Stored bits per weight; pale = few, dark = many.
std::string bitsMapSvg(const BitsGrid& grid, const std::string& title);
/// Bits of `grid` minus those of `other`: orange = fewer, purple = more, grey = equal. Empty when the two
/// have other rows or columns.
std::string bitsDifferenceSvg(const BitsGrid& grid, const BitsGrid& other, const std::string& title);

/// "+1", "-0.5", "" for zero: what stands in a cell of the difference.
std::string signedBits(double difference);

} // namespace qs::report
