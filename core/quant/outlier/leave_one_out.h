// SPDX-License-Identifier: Apache-2.0
// What keeping one weight would save (SpQR, Dettmers et al. 2023, arXiv:2306.03078, section 4.1).
#pragma once

#include "core/quant/range/range_search.h"

namespace qs {

/// For every weight of [rows, cols]: the error of its group, sum over j of cost[j] (w_j - w'_j)^2, less that
/// error when the weight is kept and the group's grid is fitted without it. Fitted anew only without the
/// smallest and the largest of a group: leaving out another does not move the range. Formats that fit several
/// groups or rows together: the weight's own share of the error. `q` has codec, shape and layout
/// (beginTensor); its parameters become those of the whole groups.
Matrix leaveOneOutGains(ConstMatrixView weight, const Codec& codec, RangeChoice range,
                        std::span<const double> cost, QuantizedTensor& q);

} // namespace qs
