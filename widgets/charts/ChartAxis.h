// SPDX-License-Identifier: GPL-3.0-or-later
// Axis arithmetic and number text shared by every picture: ticks, value-to-pixel maps, the axis painter.
#pragma once

#include <QPainter>
#include <QRectF>
#include <QString>
#include <QVector>

namespace qs::ui {

// ---- numbers as text (QLocale's marks, narrow no-break space between groups of three digits, U+2212 as
// minus) ----

/// "8 192"
QString groupedInteger(qint64 value);
/// About `significant` digits, plain between 1e-4 and 1e7, else "1.2e-6". NaN gives "n/a".
QString formatNumber(double value, int significant = 3);
/// Fixed decimals: "700.00"; "n/a" for NaN.
QString formatFixed(double value, int decimals);
/// Axis text of a count: "100", "10 k", "1 M", "2.5 G".
QString formatCount(double value);
/// For CSV: shortest text that reads back as the same double, "." as mark; empty for NaN.
QString csvNumber(double value);
/// Quotes a CSV field when it must be.
QString csvField(const QString& text);

// ---- ticks ----

struct AxisTick {
    double value = 0;
    QString label;
    bool major = true; ///< minor ticks have no label and no grid line
};

/// Multiples of 1, 2 or 5 x 10^k inside [lo, hi], at most maxTicks (>= 2) of them.
QVector<AxisTick> linearTicks(double lo, double hi, int maxTicks);
/// Ticks of an index axis [0, count): powers of two when count is a multiple of 64, else 1-2-5; never
/// fractions.
QVector<AxisTick> indexTicks(double lo, double hi, int count, int maxTicks);
/// 1-2-5 per decade, decades, or every n-th decade, whichever is densest within maxTicks; falls back to
/// linear ticks on a range under half a decade. Needs 0 < lo < hi.
QVector<AxisTick> logTicks(double lo, double hi, int maxTicks);

/// Value <-> pixel along one axis.
struct AxisMap {
    double lo = 0, hi = 1;     ///< lo != hi; for log both > 0
    double from = 0, to = 100; ///< pixel of lo, pixel of hi
    bool log = false;

    double toPixel(double value) const; ///< unclamped; log of values <= 0 gives `from`
    double toValue(double pixel) const;
    bool contains(double value) const { return value >= lo && value <= hi; }
};

/// The two axes of a picture. `plot` is the inner rectangle.
struct PlotAxes {
    QRectF plot;
    AxisMap x, y;
    QVector<AxisTick> xTicks, yTicks;
    QString xTitle, yTitle;
    bool showY = true;
};

/// Room the left axis needs: title, labels, ticks.
double leftAxisWidth(const QVector<AxisTick>& ticks, bool title);
/// Room the bottom axis needs.
double bottomAxisHeight(bool title);
/// Light grid at the major ticks; call before the data.
void paintGrid(QPainter& painter, const PlotAxes& axes);
/// Axis lines (left and bottom only), outward ticks, labels that do not touch each other, titles; call after
/// the data.
void paintAxes(QPainter& painter, const PlotAxes& axes);

/// A hover readout: lines of text on a small framed panel near `anchor`, kept inside `bounds`.
void paintReadout(QPainter& painter, const QPointF& anchor, const QRectF& bounds, const QStringList& lines);

struct LegendEntry {
    enum Mark { Line, DottedLine, DashedLine, DashDottedLine, Fill, Bar, Band };
    QString text;
    QColor color;
    Mark mark = Line;
};
/// What the entries need in one row.
double legendWidth(const QVector<LegendEntry>& entries);
/// The entries in rows of at most `width`, an entry that is wider in a row of its own.
QVector<QVector<LegendEntry>> legendRows(const QVector<LegendEntry>& entries, double width);
/// Right-aligned in one row ending at rect's right edge; entries that do not fit are left out from the front.
/// Returns the used width.
double paintLegend(QPainter& painter, const QRectF& rect, const QVector<LegendEntry>& entries);

} // namespace qs::ui
