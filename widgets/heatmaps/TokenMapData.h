// SPDX-License-Identifier: GPL-3.0-or-later
// What a token map shows: an immutable snapshot, and how its values become colours.
#pragma once

#include "core/metrics/massive_activations.h"
#include "widgets/charts/ChartAxis.h"
#include "widgets/heatmaps/TokenPyramid.h"
#include "widgets/theme/ColorMap.h"

#include <QPoint>
#include <QStringList>

namespace qs::ui {

enum class TokenMode { Magnitude, Signed, ZScore };

struct TokenMapData {
    QString site;      ///< "layers.2.residual"
    QString emptyText; ///< shown while there is no pyramid
    std::shared_ptr<const TokenPyramid> values;
    std::shared_ptr<const TokenPyramid> z; ///< robust z of every value in its token; null: the mode is off
    std::vector<RobustScale> scales;       ///< [tokens]
    QStringList tokens;                    ///< texts
    double median = 0;                     ///< of |x| over the matrix
    float absmax = 0, zMax = 0;            ///< largest finite magnitudes
    QString rule;                          ///< "50 × median"
    QVector<QPoint> spikes;                ///< (channel, token) that pass the rule, largest first
    QVector<int> outlierChannels;          ///< marked on the channel axis, largest first

    int tokenCount() const { return values ? values->tokens() : 0; }
    int channelCount() const { return values ? values->channels() : 0; }
    bool empty() const { return tokenCount() == 0 || channelCount() == 0; }
};
using TokenMapDataPtr = std::shared_ptr<const TokenMapData>;

/// Magnitude: logarithmic from a fifth of the median to the largest. Signed and z: sinh^-1 (v / unit), unit
/// the median (z: 1), symmetric: linear near zero, logarithmic far out, so that neither ordinary values nor
/// spikes drown.
struct TokenScale {
    TokenMode mode = TokenMode::Magnitude;
    double lo = 0.1, hi = 1; ///< Magnitude: the ends; else -hi .. hi
    double unit = 1;

    static TokenScale of(const TokenMapData& data, TokenMode mode);
    /// 0..1, clamped; NaN for NaN.
    double position(double value) const;
    /// The value (of Magnitude: |value|) at a position.
    double valueAt(double position) const;
    QVector<AxisTick> ticks() const;
    QString title() const;
    MapKind kind() const { return mode == TokenMode::Magnitude ? MapKind::Sequential : MapKind::Diverging; }
};

} // namespace qs::ui
