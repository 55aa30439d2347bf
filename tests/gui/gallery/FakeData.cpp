// SPDX-License-Identifier: GPL-3.0-or-later
#include "FakeData.h"

#include <algorithm>
#include <cmath>
#include <random>

namespace qs::gallery {

namespace {
std::mt19937& rng() {
    static std::mt19937 engine(7);
    return engine;
}
double normal() {
    return std::normal_distribution<double>()(rng());
}
} // namespace

ui::HeatMapDataPtr layerHeatMap() {
    auto d = std::make_shared<ui::HeatMapData>();
    d->rowLabels = {"q", "k", "v", "o", "gate", "up", "down"};
    for (int i = 0; i < 16; ++i)
        d->columnLabels += QString::number(i);
    d->columnTitle = "block";
    d->valueTitle = "Output error, relative";
    d->unit = "%";
    d->valueHint = QString::fromUtf8("‖(W − Ŵ)X‖ / ‖WX‖ with the calibration's Σ; lower is better");
    d->log = true;
    d->lo = 2;
    d->hi = 20;
    for (int r = 0; r < 7; ++r)
        for (int c = 0; c < 16; ++c) {
            const double v = 6.8 * std::exp(0.28 * normal()) * (r == 1 ? 1.25 : 1);
            d->values.push_back(v);
            d->cellTexts += QString::number(v > 8 ? 3 : 4);
            d->flags.push_back(0);
        }
    d->values[d->index(6, 1)] = 1.6;
    d->cellTexts[d->index(6, 1)] = "8";
    d->values[d->index(3, 12)] = std::nan("");
    d->cellTexts[d->index(3, 12)] = QString();
    d->flags[d->index(6, 1)] = ui::kCellLocked;
    d->flags[d->index(2, 0)] = ui::kCellLocked;
    d->flags[d->index(6, 15)] = ui::kCellLocked | ui::kCellEdited;
    d->flags[d->index(2, 1)] = ui::kCellEdited;
    d->flags[d->index(0, 9)] = ui::kCellStale;
    d->flags[d->index(4, 9)] = ui::kCellFailed;
    d->rowBars = {6.5, 2.1, 1.7, 7.2, 31.4, 28.1, 23.0};
    d->rowBarTitle = "predicted KL share, %";
    d->rowBarsPredicted = true;
    return d;
}

ui::HeatMapDataPtr wideHeatMap() {
    auto d = std::make_shared<ui::HeatMapData>();
    for (int i = 0; i < 16; ++i)
        d->rowLabels += QStringLiteral("expert %1").arg(i);
    for (int i = 0; i < 128; ++i)
        d->columnLabels += QString::number(i);
    d->columnTitle = "block";
    d->rowTitle = "expert";
    d->valueTitle = "tokens routed";
    d->log = true;
    for (int i = 0; i < 16 * 128; ++i) {
        d->values.push_back(i % 97 == 0 ? std::nan("") : 100 * std::exp(normal()));
        d->cellTexts += QString::number(i % 9);
    }
    return d;
}

ui::HeatMapDataPtr divergingHeatMap() {
    auto d = std::make_shared<ui::HeatMapData>();
    d->rowLabels = {"q", "k", "v", "o", "gate", "up", "down"};
    for (int i = 0; i < 12; ++i)
        d->columnLabels += QString::number(i);
    d->columnTitle = "block";
    d->valueTitle = "Bits, B minus A";
    d->unit = "bits";
    d->diverging = true;
    for (int i = 0; i < 7 * 12; ++i) {
        const int delta = int(std::lround(normal() * 1.4));
        d->values.push_back(delta);
        d->cellTexts +=
            delta > 0 ? QStringLiteral("+%1").arg(delta)
                      : (delta == 0 ? QStringLiteral("0") : QString(QChar(0x2212)) + QString::number(-delta));
    }
    return d;
}

ui::ChannelProfileDataPtr weightProfile() {
    auto d = std::make_shared<ui::ChannelProfileData>();
    d->title = QString::fromUtf8("Weights, max over 8 192 outputs");
    for (int i = 0; i < 2048; ++i)
        d->absmax.push_back(float(0.17 * std::exp(0.25 * normal())));
    d->absmax[788] = 0.51f;
    d->median = 0.17;
    d->ruleThreshold = 6 * d->median;
    d->ruleLabel = QString::fromUtf8("6 × median");
    d->xTitle = "input channel";
    d->yTitle = "|w|, absmax";
    return d;
}

ui::ChannelProfileDataPtr activationProfile() {
    auto d = std::make_shared<ui::ChannelProfileData>();
    d->title = QString::fromUtf8("Activations, 128 × 2 048 tokens");
    for (int i = 0; i < 2048; ++i) {
        d->absmax.push_back(float(0.92 * std::exp(0.32 * normal())));
        d->p999.push_back(d->absmax.back() * float(0.7 + 0.1 * std::abs(normal())));
    }
    const std::pair<int, float> spikes[] = {{788, 77.3f}, {1415, 56.1f}, {400, 16.1f}, {1993, 11.1f},
                                            {1159, 8.6f}, {682, 6.8f},   {1327, 6.1f}};
    for (const auto& [c, v] : spikes) {
        d->absmax[c] = v;
        d->p999[c] = v * 0.45f;
        d->outliers.push_back(c);
    }
    d->median = 0.92;
    d->ruleThreshold = 6 * d->median;
    d->ruleLabel = QString::fromUtf8("6 × median");
    d->xTitle = "input channel";
    d->yTitle = "|x|, absmax";
    return d;
}

ui::ChannelProfileDataPtr emptyProfile() {
    auto d = std::make_shared<ui::ChannelProfileData>();
    d->title = "Activations";
    d->emptyText = "Activations are not measured yet. Calibrate reads 128 windows, about 6 min on this CPU.";
    return d;
}

ui::HistogramDataPtr weightHistogram() {
    auto d = std::make_shared<ui::HistogramData>();
    d->lo = -0.5;
    d->hi = 0.5;
    d->xTitle = QString();
    const int bins = 256;
    for (int i = 0; i < bins; ++i) {
        const double x = d->lo + (i + 0.5) / bins;
        d->before.push_back(quint64(2e5 * std::exp(-std::abs(x) / 0.045)));
    }
    return d;
}

ui::HistogramDataPtr quantHistogram() {
    auto d = std::make_shared<ui::HistogramData>();
    d->title = "Weights";
    d->xTitle = QString::fromUtf8("code units (w − min) ÷ scale, 64 groups × 8 192 rows");
    d->lo = -1.6;
    d->hi = 16.6;
    const int bins = 728;
    d->before.resize(bins);
    d->after.resize(bins);
    for (int i = 0; i < bins; ++i) {
        const double x = d->lo + (i + 0.5) * (d->hi - d->lo) / bins;
        const double z = (x - 7.5) / 2.6;
        d->before[i] = quint64(2.5e5 * std::exp(-0.5 * z * z) * (1 + 0.03 * normal()));
    }
    for (int k = 0; k < 16; ++k) {
        const double z = (k - 7.5) / 2.6;
        d->after[int((k - d->lo) / (d->hi - d->lo) * bins)] = quint64(5e6 * std::exp(-0.5 * z * z));
        d->levels.push_back(k);
    }
    d->beforeLabel = "original";
    d->afterLabel = "dequantized, 16 levels";
    return d;
}

ui::HistogramDataPtr smoothHistogram() {
    auto d = std::make_shared<ui::HistogramData>();
    d->title = "Weights";
    d->xTitle = "w";
    d->lo = -0.3;
    d->hi = 0.3;
    const int bins = 400;
    for (int i = 0; i < bins; ++i) {
        const double x = d->lo + (i + 0.5) * 0.6 / bins, z = x / 0.06;
        d->before.push_back(quint64(1e5 * std::exp(-0.5 * z * z)));
        d->after.push_back(
            quint64(1e5 * std::exp(-0.5 * z * z) * std::max(0.0, 1 + 0.2 * std::sin(i * 0.9))));
    }
    return d;
}

} // namespace qs::gallery
