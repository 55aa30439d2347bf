// SPDX-License-Identifier: GPL-3.0-or-later
// HistogramWidget: counts before (grey fill) and after quantization (blue), linear or log y. Bins that share
// a pixel are pooled by max. Wheel zooms, drag selects a range, double-click or 0 shows everything, L
// switches the y axis, hover shows the exact counts of the bin, Left and Right walk through the bins.
// Clip handles (setClip) drag with the pointer; Enter keeps, Escape restores. Ctrl+Left/Right moves the low
// one, Shift+Left/Right the high one by a bin. Linked (setClipCentre), both keep their ratio about a centre.
// As a histogram of errors it is filled in the outlier colour, with an outline of another one behind it.
#pragma once

#include "widgets/charts/ChartAxis.h"
#include "widgets/charts/Picture.h"

#include <QVector>
#include <QWidget>
#include <memory>
#include <optional>

namespace qs::ui {

struct HistogramData {
    QString title, xTitle;
    double lo = 0, hi = 1;           ///< edges of the first and the last bin, lo < hi
    QVector<quint64> before;         ///< [bins]; the original
    QVector<quint64> after;          ///< empty, or [bins]; dequantized
    QVector<double> levels;          ///< the codec's levels in x units: ticks on the axis
    QString beforeLabel, afterLabel; ///< legend: "original", "dequantized, 16 levels"
    QString clipLabel;               ///< legend of what lies outside the clip handles; "" for none
    bool errors = false;             ///< `before` holds errors, not weights
    /// Another histogram as a dashed line, over bins of its own; drawn as if it had these bins.
    struct Outline {
        double lo = 0, hi = 0;
        QVector<quint64> counts;
        QString label;
    } outline;
    QString emptyText;

    int bins() const { return int(before.isEmpty() ? after.size() : before.size()); }
    double binWidth() const { return (hi - lo) / bins(); }
    bool isConsistent() const {
        return lo < hi && (before.isEmpty() || after.isEmpty() || before.size() == after.size());
    }
};

using HistogramDataPtr = std::shared_ptr<const HistogramData>;

class HistogramWidget : public QWidget, public Picture {
    Q_OBJECT
public:
    explicit HistogramWidget(QWidget* parent = nullptr);

    void setData(HistogramDataPtr data);
    HistogramDataPtr data() const { return m_data; }
    void setLogY(bool log);
    bool logY() const { return m_log; }
    void setBeforeVisible(bool visible);
    void setAfterVisible(bool visible);
    /// Inspector form: no title, no legend, no y axis.
    void setCompact(bool compact);
    /// Visible x range; clamped to the data.
    void setRange(double lo, double hi);
    /// Shows two handles at the clipping values, in x units, lo < hi; ends a drag without a signal.
    void setClip(double lo, double hi);
    /// The same with the place that Escape returns to.
    void setClip(double lo, double hi, double homeLo, double homeHi);
    bool isClipDragged() const { return m_clip.dragged >= 0; }
    /// Moving one handle moves the other, so that both keep their ratio of distances to `centre`.
    void setClipCentre(double centre);
    /// How far out the handles may go; by default the data's range.
    void setClipLimits(double lo, double hi);
    void removeClip();
    bool hasClip() const { return m_clip.shown; }
    double clipLo() const { return m_clip.lo; }
    double clipHi() const { return m_clip.hi; }

    void renderTo(QPainter& painter, const QSize& size) const override;
    QString toCsv() const override;
    QString pictureName() const override;
    QSize sizeHint() const override { return m_compact ? QSize(260, 90) : QSize(460, 240); }
    QSize minimumSizeHint() const override { return m_compact ? QSize(120, 70) : QSize(220, 130); }

signals:
    void rangeChanged(double lo, double hi);
    void logYChanged(bool log);
    void clipMoved(double lo, double hi); ///< while dragging or stepping; re-quantize, latest wins
    void clipKept(double lo, double hi);  ///< Enter
    void clipRestored();                  ///< Escape; the handles are back where setClip() put them

protected:
    void paintEvent(QPaintEvent* event) override;
    void wheelEvent(QWheelEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void mouseReleaseEvent(QMouseEvent* event) override;
    void mouseDoubleClickEvent(QMouseEvent* event) override;
    void leaveEvent(QEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;

private:
    PlotAxes axesFor(const QSizeF& size) const;
    void paintContent(QPainter& painter, const QSizeF& size, bool interactive) const;
    void paintBars(QPainter& painter, const PlotAxes& axes, const QVector<quint64>& counts, bool after) const;
    void paintOutline(QPainter& painter, const PlotAxes& axes) const;
    void paintLevels(QPainter& painter, const PlotAxes& axes) const;
    void paintHeader(QPainter& painter, const PlotAxes& axes) const;
    void paintPointer(QPainter& painter, const PlotAxes& axes) const;
    void paintClip(QPainter& painter, const PlotAxes& axes) const;
    void paintClipHandles(QPainter& painter, const PlotAxes& axes) const;
    int clipHandleAt(const QPointF& at) const; ///< 0 low, 1 high, -1 none
    void moveClip(int handle, double value);
    bool clipKey(QKeyEvent* event);
    double top(const PlotAxes& axes, double count) const;
    bool spikes() const; ///< "after" sits on few levels: paint it as separate bars
    void applyRange(double lo, double hi);
    void setHover(int bin);
    int binAt(const QPointF& at) const;
    bool empty() const { return !m_data || m_data->bins() == 0; }

    struct Clip {
        bool shown = false;
        double lo = 0, hi = 0;         ///< now
        double homeLo = 0, homeHi = 0; ///< as given by setClip() or kept last
        int dragged = -1;
        std::optional<double> centre; ///< set: linked
        std::optional<std::pair<double, double>> limits;
    };

    HistogramDataPtr m_data;
    Clip m_clip;
    bool m_log = true, m_compact = false, m_showBefore = true, m_showAfter = true;
    double m_lo = 0, m_hi = 1;
    int m_hover = -1;
    bool m_dragging = false;
    QPointF m_pressAt, m_pointer;
};

} // namespace qs::ui
