// SPDX-License-Identifier: GPL-3.0-or-later
// Invented but plausible data for pictures of the widgets.
#pragma once

#include "widgets/charts/ChannelProfileData.h"
#include "widgets/charts/HistogramWidget.h"
#include "widgets/heatmaps/HeatMapData.h"

namespace qs::gallery {

ui::HeatMapDataPtr layerHeatMap();     ///< 7 modules x 16 blocks, log, marginal bars
ui::HeatMapDataPtr wideHeatMap();      ///< 16 x 128, no text
ui::HeatMapDataPtr divergingHeatMap(); ///< differences in bits
ui::ChannelProfileDataPtr weightProfile();
ui::ChannelProfileDataPtr activationProfile();
ui::ChannelProfileDataPtr emptyProfile();
ui::HistogramDataPtr weightHistogram(); ///< continuous, before only
ui::HistogramDataPtr quantHistogram();  ///< before and 16 levels after
ui::HistogramDataPtr smoothHistogram(); ///< before and a dense after

} // namespace qs::gallery
