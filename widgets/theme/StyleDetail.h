// SPDX-License-Identifier: GPL-3.0-or-later
// State and colour helpers shared by the style's source files; not for use outside theme/.
#pragma once

#include "widgets/theme/Theme.h"

#include <QStyleOption>

namespace qs::ui {

inline bool isOn(const QStyleOption* o, QStyle::StateFlag flag) {
    return o->state & flag;
}

inline constexpr int kArrowRoom = 14; ///< in front of the text of a tool button that folds

inline QColor faded(const QColor& c, const QStyleOption* option) {
    return isOn(option, QStyle::State_Enabled) ? c : blend(c, theme().window, 0.55);
}

inline QColor edgeColor(const QStyleOption* option) {
    const Theme& t = theme();
    if (!isOn(option, QStyle::State_Enabled)) return t.border;
    if (isOn(option, QStyle::State_HasFocus)) return t.accent;
    return isOn(option, QStyle::State_MouseOver) ? t.text3 : t.strongBorder;
}

inline QColor fieldFill(const QStyleOption* option) {
    return isOn(option, QStyle::State_Enabled) ? theme().base : theme().window;
}

} // namespace qs::ui
