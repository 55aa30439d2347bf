// SPDX-License-Identifier: GPL-3.0-or-later
// One side of a channel profile: a magnitude per channel of one tensor or one site, with its outliers.
#pragma once

#include <QString>
#include <QVector>
#include <memory>

namespace qs::ui {

struct ChannelProfileData {
    QString title;            ///< "Activations, 128 x 2 048 tokens"
    QVector<float> absmax;    ///< [channels]; NaN = not measured
    QVector<float> p999;      ///< empty, or [channels]: 99.9th percentile of |x|
    double median = 0;        ///< of absmax; 0 = unknown, not drawn
    double ruleThreshold = 0; ///< 0 = no rule line
    QString ruleLabel;        ///< "6 x median"
    QVector<int> outliers;    ///< channel indices past the rule, any order
    QString xTitle, yTitle;   ///< "input channel", "|x|, absmax"
    QString unit;             ///< for the readout; may be empty
    QString emptyText;        ///< shown when absmax is empty: "Activations are not measured yet."

    int channels() const { return int(absmax.size()); }
};

using ChannelProfileDataPtr = std::shared_ptr<const ChannelProfileData>;

enum class ChannelOrder { Natural, Sorted };

} // namespace qs::ui
