// SPDX-License-Identifier: GPL-3.0-or-later
// Picture: what every chart and heat map offers beside its screen: painting itself at any size, and its data
// as CSV.
#pragma once

#include <QPainter>
#include <QSize>
#include <QString>

namespace qs::ui {

class Picture {
public:
    virtual ~Picture() = default;
    /// Paints the whole picture, background and legend included, without hover marks, at `size` logical
    /// pixels.
    virtual void renderTo(QPainter& painter, const QSize& size) const = 0;
    /// The data as RFC 4180 text with a header row, "." as decimal mark, empty field for "not measured".
    virtual QString toCsv() const = 0;
    /// Suggested file name without extension.
    virtual QString pictureName() const = 0;
};

} // namespace qs::ui
