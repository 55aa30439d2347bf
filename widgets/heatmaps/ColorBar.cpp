// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/heatmaps/ColorBar.h"

#include "widgets/charts/ChartAxis.h"

#include <QPainter>
#include <cmath>

namespace qs::ui {

namespace {
constexpr double kBarWidth = 120, kBarHeight = 10, kMargin = 14;

/// Ends first, then what fits between them.
QVector<AxisTick> barTicks(const Normalization& n) {
    QVector<AxisTick> ticks = {{n.lo, formatNumber(n.lo, 2)}, {n.hi, formatNumber(n.hi, 2)}};
    if (n.diverging) return ticks << AxisTick{0, formatNumber(0)};
    ticks += n.log ? logTicks(n.lo, n.hi, 5) : linearTicks(n.lo, n.hi, 4);
    return ticks;
}
} // namespace

ColorBarSpec ColorBarSpec::of(const HeatMapData& data, bool withValueTitle) {
    ColorBarSpec spec;
    spec.normalization = data.normalization();
    spec.valid = data.rows() > 0 && data.columns() > 0;
    const QString scale = spec.normalization.log ? QStringLiteral(" (log)") : QString();
    spec.title = data.unit + scale;
    if (withValueTitle && !data.valueTitle.isEmpty())
        spec.title =
            data.valueTitle + (data.unit.isEmpty() ? QString() : QStringLiteral(", ") + data.unit) + scale;
    for (const double v : data.values) {
        spec.anyBelow |= v < spec.normalization.lo;
        spec.anyAbove |= v > spec.normalization.hi;
    }
    return spec;
}

double colorBarTitleWidth(const ColorBarSpec& spec) {
    return spec.title.isEmpty() ? 0 : QFontMetricsF(chartFont()).horizontalAdvance(spec.title) + 10;
}

void paintColorBar(QPainter& painter, const QPointF& at, double barWidth, const ColorBarSpec& spec) {
    if (!spec.valid) return;
    const Theme& t = theme();
    const Normalization& n = spec.normalization;
    const ColorTable& table = colorTable(n.diverging ? MapKind::Diverging : MapKind::Sequential);
    painter.save();
    painter.setFont(chartFont());
    const QFontMetricsF fm(chartFont());
    const int pixels = int(barWidth) - 2;
    for (int i = 0; i < pixels; ++i)
        painter.fillRect(QRectF(at.x() + 1 + i, at.y() + 1, 1, kBarHeight - 2),
                         QColor::fromRgb(table[size_t(i * 255 / std::max(1, pixels - 1))]));
    painter.setPen(t.strongBorder);
    painter.setBrush(Qt::NoBrush);
    painter.drawRect(QRectF(at.x() + 0.5, at.y() + 0.5, barWidth - 1, kBarHeight - 1));
    painter.setPen(t.text2);
    QVector<QRectF> taken;
    for (const AxisTick& tick : barTicks(n)) {
        const double x = at.x() + n.position(tick.value) * barWidth;
        QString label = tick.label;
        if (tick.value == n.lo && spec.anyBelow) label.prepend(QLatin1Char('<'));
        if (tick.value == n.hi && spec.anyAbove) label.prepend(QLatin1Char('>'));
        const double w = fm.horizontalAdvance(label);
        const QRectF r(x - w / 2, at.y() + kBarHeight + 1, w, fm.height());
        const auto touches = [&](const QRectF& other) { return other.adjusted(-5, 0, 5, 0).intersects(r); };
        if (std::any_of(taken.begin(), taken.end(), touches)) continue;
        painter.drawText(r.adjusted(-2, 0, 2, 0), Qt::AlignCenter, label);
        taken.push_back(r);
    }
    painter.drawText(
        QRectF(at.x() + barWidth + 9, at.y() + kBarHeight / 2 - fm.height() / 2, 400, fm.height()),
        Qt::AlignLeft | Qt::AlignVCenter, spec.title);
    painter.restore();
}

ColorBar::ColorBar(QWidget* parent) : QWidget(parent) {
    setAccessibleName(tr("Colour scale"));
    setSizePolicy(QSizePolicy::Fixed, QSizePolicy::Fixed);
    connect(&ThemeNotifier::instance(), &ThemeNotifier::changed, this, qOverload<>(&QWidget::update));
}

void ColorBar::setSpec(const ColorBarSpec& spec) {
    m_spec = spec;
    const Normalization& n = spec.normalization;
    setAccessibleDescription(
        spec.valid ? tr("from %1 to %2 %3").arg(formatNumber(n.lo), formatNumber(n.hi), spec.title)
                   : QString());
    updateGeometry();
    update();
}

QSize ColorBar::sizeHint() const {
    const QFontMetricsF fm(chartFont());
    return QSizeF(kMargin + kBarWidth + std::max(kMargin, colorBarTitleWidth(m_spec)),
                  kBarHeight + 2 + fm.height())
        .toSize();
}

void ColorBar::paintEvent(QPaintEvent*) {
    QPainter p(this);
    paintColorBar(p, QPointF(kMargin, 1), kBarWidth, m_spec);
}

} // namespace qs::ui
