// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/views/TokenTintLegend.h"

#include "widgets/charts/ChartAxis.h"
#include "widgets/theme/Theme.h"
#include "widgets/views/TokenTextView.h"

#include <QPainter>
#include <cmath>

namespace qs::ui {

namespace {
constexpr double kBarWidth = 90, kBarHeight = 10;
} // namespace

TokenTintLegend::TokenTintLegend(QWidget* parent) : QWidget(parent) {
    setAccessibleName(
        tr("Legend: tint is the KL to the original from 0.03 to 2 nats, logarithmic; an underline "
           "marks a token whose first choice changed"));
    setToolTip(
        tr("KL divergence from the original's next-token distribution, nats. A token below 0.03 has no "
           "tint. Underlined: the most likely token is another one."));
    connect(&ThemeNotifier::instance(), &ThemeNotifier::changed, this, qOverload<>(&QWidget::update));
}

QSize TokenTintLegend::sizeHint() const {
    const QFontMetricsF fm(chartFont());
    const double width = fm.horizontalAdvance(tr("KL to A")) + kBarWidth +
                         fm.horizontalAdvance(tr("nats (log)")) + 18 +
                         fm.horizontalAdvance(tr("top-1 differs from A")) + 48;
    return {int(std::ceil(width)), int(std::ceil(fm.height() + kBarHeight + 4))};
}

void TokenTintLegend::paintEvent(QPaintEvent*) {
    QPainter p(this);
    const Theme& t = theme();
    p.setFont(chartFont());
    const QFontMetricsF fm(chartFont());
    const auto label = [&](double x, const QString& text) {
        p.setPen(t.text2);
        p.drawText(QPointF(x, kBarHeight), text);
        return x + fm.horizontalAdvance(text);
    };
    const double bar = label(0, tr("KL to A")) + 8;
    for (int i = 0; i < int(kBarWidth); ++i) {
        const double kl = kTintLow * std::pow(kTintHigh / kTintLow, (i + 0.5) / kBarWidth);
        p.fillRect(QRectF(bar + i, 1, 1, kBarHeight), tokenTint(kl));
    }
    p.setPen(t.strongBorder);
    p.drawRect(QRectF(bar - 0.5, 0.5, kBarWidth, kBarHeight));
    p.setPen(t.text2);
    for (const double tick : {kTintLow, 0.3, kTintHigh}) {
        const double x = bar + kBarWidth * std::log(tick / kTintLow) / std::log(kTintHigh / kTintLow);
        p.drawText(QRectF(x - 20, kBarHeight + 2, 40, fm.height()), Qt::AlignHCenter | Qt::AlignTop,
                   formatNumber(tick, 2));
    }
    double x = label(bar + kBarWidth + 6, tr("nats (log)")) + 14;
    p.setPen(QPen(t.error, 2));
    p.drawLine(QPointF(x, kBarHeight + 1), QPointF(x + 16, kBarHeight + 1));
    label(x + 22, tr("top-1 differs from A"));
}

} // namespace qs::ui
