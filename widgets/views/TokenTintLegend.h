// SPDX-License-Identifier: GPL-3.0-or-later
// TokenTintLegend: for a tool row above token texts: the tint's scale, and what the underline means.
#pragma once

#include <QWidget>

namespace qs::ui {

class TokenTintLegend : public QWidget {
    Q_OBJECT
public:
    explicit TokenTintLegend(QWidget* parent = nullptr);
    QSize sizeHint() const override;
    QSize minimumSizeHint() const override { return sizeHint(); }

protected:
    void paintEvent(QPaintEvent* event) override;
};

} // namespace qs::ui
