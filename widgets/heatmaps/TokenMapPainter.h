// SPDX-License-Identifier: GPL-3.0-or-later
// Geometry and painting of a token map: token texts, cells, marked channels, bars of the largest value per
// token, channel axis, colour bar, crosshair.
#pragma once

#include "widgets/heatmaps/TokenMapData.h"

#include <QImage>

namespace qs::ui {

/// What part of the map is seen, and the cell that is looked at.
struct TokenMapView {
    double firstChannel = 0, endChannel = 1; ///< channels [first, end), fractions while zooming
    double rowHeight = 12;                   ///< px per token; below 1 several tokens share a pixel
    double top = 0;                          ///< px scrolled down
    TokenMode mode = TokenMode::Magnitude;
    QPoint cross = {-1, -1}; ///< (channel, token); -1 for none
    bool interactive = true; ///< crosshair and its panel are painted
};

struct TokenMapLayout {
    QRectF plot;        ///< cells
    QRectF bars;        ///< empty when there is no room
    QRectF labels;      ///< token texts
    double numbers = 0; ///< width of the position numbers, between labels and plot
    double firstChannel = 0, endChannel = 1, rowHeight = 12, top = 0;
    int tokens = 0, channels = 0;

    double pixelsPerChannel() const { return plot.width() / (endChannel - firstChannel); }
    /// Clamped into the map; (-1, -1) outside the plot unless `clamp`.
    QPoint cellAt(const QPointF& at, bool clamp = false) const; ///< (channel, token)
    QRectF cellRect(const QPoint& cell) const;
    QRectF rowRect(int token) const;
    /// Channels [first, end) that share the pixel column at x.
    std::pair<int, int> channelsAt(double x) const;
    /// The middle of a pixel column whose channels hold this one.
    double columnOf(int channel) const;
};

TokenMapLayout tokenMapLayout(const TokenMapData& data, const TokenMapView& view, const QSizeF& size);
/// Height of a map of `tokens` rows that is not scrolled, axis and marks included.
double tokenMapChrome();

class TokenMapPainter {
public:
    void paint(QPainter& painter, const TokenMapData& data, const TokenMapView& view, const QSizeF& size);
    void clearCache() { m_image = {}; }

private:
    const QImage& cells(const TokenMapData& data, const TokenMapLayout& l, TokenMode mode, double dpr);

    struct Key {
        const void* data = nullptr;
        double first = 0, end = 0, row = 0, top = 0, width = 0, height = 0, dpr = 0;
        TokenMode mode = TokenMode::Magnitude;
        bool dark = false;
        bool operator==(const Key&) const = default;
    } m_key;
    QImage m_image;
};

/// "label TAB value" lines about a cell: the panel's and the tooltip's.
QVector<QPair<QString, QString>> tokenCellFacts(const TokenMapData& data, const TokenMapLayout& l,
                                                const QPoint& cell);
QString tokenCellTitle(const TokenMapData& data, const QPoint& cell);

} // namespace qs::ui
