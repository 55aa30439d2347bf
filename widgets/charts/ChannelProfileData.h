// SPDX-License-Identifier: GPL-3.0-or-later
// One side of a channel profile: magnitudes per channel of one tensor or one site, with its outliers.
#pragma once

#include <QColor>
#include <QString>
#include <QVector>
#include <array>
#include <memory>

namespace qs::ui {

/// What can be drawn beside the largest magnitude.
enum class ChannelSeries { P999, P99, P50, Mean };
inline constexpr std::array kChannelSeries = {ChannelSeries::P999, ChannelSeries::P99, ChannelSeries::P50,
                                              ChannelSeries::Mean};

struct ChannelSeriesInfo {
    const char* id; ///< for settings and CSV columns: "p99.9"
    QString label;  ///< "p99.9", "|mean|"
    QString help;
    QColor color; ///< of the theme in force; every series has a line of its own as well
    Qt::PenStyle line;
};
ChannelSeriesInfo channelSeriesInfo(ChannelSeries series);

struct ChannelProfileData {
    QString title;                 ///< "Activations, 128 x 2 048 tokens"
    QVector<float> absmax;         ///< [channels]; NaN = not measured
    QVector<float> p999, p99, p50; ///< each empty, or [channels]: percentiles of |x|
    QVector<float> mean;           ///< empty, or [channels]; drawn by its magnitude, the axis is logarithmic
    double median = 0;             ///< of absmax; 0 = unknown, not drawn
    double ruleThreshold = 0;      ///< 0 = no rule line
    QString ruleLabel;             ///< "6 x median"
    QVector<int> outliers;         ///< channel indices past the rule, any order
    QString xTitle, yTitle;        ///< "input channel", "|x|, absmax"
    QString unit;                  ///< for the readout; may be empty
    QString emptyText;             ///< shown when absmax is empty: "Activations are not measured yet."

    int channels() const { return int(absmax.size()); }
    const QVector<float>& values(ChannelSeries series) const;
    /// Every series is empty or as long as absmax.
    bool consistent() const;
};

using ChannelProfileDataPtr = std::shared_ptr<const ChannelProfileData>;

enum class ChannelOrder { Natural, Sorted };

} // namespace qs::ui
