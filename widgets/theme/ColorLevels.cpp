// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/theme/ColorLevels.h"

namespace qs::ui {

ColorLevels::ColorLevels(const std::function<double(double)>& valueAt) : m_from{} {
    for (size_t i = 1; i < m_from.size(); ++i)
        m_from[i] = float(valueAt((double(i) - 0.5) / 255));
}

} // namespace qs::ui
