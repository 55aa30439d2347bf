// SPDX-License-Identifier: Apache-2.0
#include "core/codec/nf_map.h"

#include <algorithm>
#include <cmath>

namespace qs {

const Levels& dynamicMap() {
    static const Levels levels = [] {
        std::vector<float> values = {0.0f, 1.0f};
        for (int i = 0; i < 7; ++i) {
            const int intervals = 1 << i;
            for (int k = 0; k < intervals; ++k) {
                const double middle = 0.1 + 0.9 * (double(k) + 0.5) / double(intervals);
                values.push_back(float(middle * std::pow(10.0, i - 6)));
                values.push_back(-values.back());
            }
        }
        std::sort(values.begin(), values.end());
        return Levels(std::move(values));
    }();
    return levels;
}

uint8_t dynamicCode(float scale, float nested, float offset) {
    const Levels& map = dynamicMap();
    if (nested == 0) return map.nearest(0);
    const uint8_t code = map.nearest((scale - offset) / nested);
    // The division rounds: a scale that a code next to it gives exactly has that code.
    for (const int c : {int(code), code - 1, code + 1})
        if (c >= 0 && size_t(c) < map.count() && map.value(size_t(c)) * nested + offset == scale)
            return uint8_t(c);
    return code;
}

} // namespace qs
