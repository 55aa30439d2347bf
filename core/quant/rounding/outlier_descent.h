// SPDX-License-Identifier: Apache-2.0
// Outlier-aware QuantEase (Behdin et al. 2023, arXiv:2309.01885, algorithm 3): W ~ W' + H with W' on the grid
// and H sparse, in turn: a sweep of coordinate descent for W - H, then a step of iterative hard thresholding,
// H <- the largest of H + (W - W' - H) Sigma / lambda, lambda the largest eigenvalue of Sigma (estimated, 5 %
// added). Then no step raises the error tr(D Sigma D^T), D = W - W' - H. Each turn costs 4 m n^2 flops.
#pragma once

#include "core/quant/outlier/kept_mask.h"
#include "core/quant/range/range_search.h"
#include "core/quant/rounding/coordinate_descent.h"

namespace qs {

struct OutlierDescentOptions {
    size_t count = 0;          ///< weights outside the grid, > 0
    bool wholeColumns = false; ///< outliers are whole input channels; count is then a multiple of the rows
    int turns = 5;
    RangeChoice range;
};

/// Fills a tensor begun with beginTensor: grids fitted without the weights of largest magnitude (columns of
/// largest norm), codes, and W' + H of the outliers as kept weights.
Result<void> descendWithOutliers(const QuantizeInput& input, const OutlierDescentOptions& options,
                                 QuantizedTensor& q, const JobContext& job);

} // namespace qs
