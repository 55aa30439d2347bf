// SPDX-License-Identifier: Apache-2.0
#include "core/model/rope_table.h"

#include <cmath>

namespace qs {

Result<RopeTable> ropeTable(const RopeSpec& spec, size_t windowLength, Backend& backend, size_t first,
                            size_t positions) {
    const std::vector<double> frequencies = spec.inverseFrequencies(windowLength);
    Matrix cosine(positions, frequencies.size()), sine(positions, frequencies.size());
    for (size_t t = 0; t < positions; ++t)
        for (size_t i = 0; i < frequencies.size(); ++i) {
            const float angle = float(first + t) * float(frequencies[i]);
            cosine(t, i) = float(std::cos(double(angle)) * spec.attentionFactor);
            sine(t, i) = float(std::sin(double(angle)) * spec.attentionFactor);
        }
    RopeTable table;
    QS_CHECK(backend.upload(std::as_const(cosine).view(), table.cosine));
    QS_CHECK(backend.upload(std::as_const(sine).view(), table.sine));
    return table;
}

} // namespace qs
