// SPDX-License-Identifier: GPL-3.0-or-later
// The series of ChannelProfileData.h: names, colours and lines.
#include "widgets/charts/ChannelProfileData.h"
#include "widgets/theme/Theme.h"

#include <QCoreApplication>
#include <algorithm>

namespace qs::ui {

namespace {
QString tr(const char* text) {
    return QCoreApplication::translate("ChannelSeries", text);
}
} // namespace

ChannelSeriesInfo channelSeriesInfo(ChannelSeries series) {
    const Theme& t = theme();
    switch (series) {
    case ChannelSeries::P999:
        return {"p99.9", tr("p99.9"), tr("99.9 % of the channel's magnitudes are below"), t.text2,
                Qt::SolidLine};
    case ChannelSeries::P99:
        return {"p99", tr("p99"), tr("99 % of the channel's magnitudes are below"), t.runs[3], Qt::DashLine};
    case ChannelSeries::P50:
        return {"p50", tr("p50"), tr("Half of the channel's magnitudes are below"), t.predicted,
                Qt::DashDotLine};
    case ChannelSeries::Mean:
        break;
    }
    return {"mean", tr("|mean|"),
            tr("Magnitude of the channel's mean: near absmax, the channel is a constant offset"), t.runs[2],
            Qt::DotLine};
}

const QVector<float>& ChannelProfileData::values(ChannelSeries series) const {
    switch (series) {
    case ChannelSeries::P999:
        return p999;
    case ChannelSeries::P99:
        return p99;
    case ChannelSeries::P50:
        return p50;
    case ChannelSeries::Mean:
        break;
    }
    return mean;
}

bool ChannelProfileData::consistent() const {
    return std::all_of(kChannelSeries.begin(), kChannelSeries.end(), [this](ChannelSeries s) {
        return values(s).isEmpty() || values(s).size() == absmax.size();
    });
}

} // namespace qs::ui
