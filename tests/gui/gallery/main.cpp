// SPDX-License-Identifier: GPL-3.0-or-later
// gallery <folder> [scale]: paints the widgets with invented data to PNG files, light and dark, for review by
// eye.
#include "../CpuTimer.h"
#include "Pages.h"

#include "widgets/charts/ChannelProfileWidget.h"
#include "widgets/charts/HistogramWidget.h"
#include "widgets/heatmaps/HeatMapWidget.h"
#include "widgets/theme/Theme.h"

#include <QtWidgets>
#include <cstdio>

using namespace qs::ui;
using namespace qs::gallery;

namespace {

QWidget* histogramWidget(HistogramDataPtr data, bool log) {
    auto* h = new HistogramWidget;
    h->setData(std::move(data));
    h->setLogY(log);
    h->resize(620, 260);
    return h;
}

QWidget* clipped() {
    auto* w = static_cast<HistogramWidget*>(histogramWidget(quantHistogram(), true));
    w->setClip(-0.5, 15.5);
    return w;
}

QWidget* heatMap(HeatMapDataPtr data, QSize size) {
    auto* h = new HeatMapWidget;
    h->setData(std::move(data));
    h->setCurrentCell(2, 5);
    h->resize(size);
    return h;
}

QWidget* profile(bool zoomed, bool sorted, QSize size) {
    auto* p = new ChannelProfileWidget;
    p->setData(weightProfile(), sorted ? emptyProfile() : activationProfile());
    if (sorted) p->setOrder(ChannelOrder::Sorted);
    if (zoomed) {
        p->activationsPane()->setRange(380, 480);
        p->weightsPane()->setRange(380, 480);
        p->setSelectedChannel(400);
        p->activationsPane()->setHoverChannel(430);
    }
    p->resize(size);
    return p;
}

void save(const std::function<QWidget*()>& make, const QString& folder, const QString& name, double scale) {
    std::unique_ptr<QWidget> w(make());
    w->setAttribute(Qt::WA_DontShowOnScreen);
    w->show();
    for (int i = 0; i < 3; ++i)
        QApplication::sendPostedEvents();
    QImage image(w->size() * scale, QImage::Format_RGB32);
    image.setDevicePixelRatio(scale);
    image.fill(theme().window);
    const double start = qs::test::threadMilliseconds();
    w->render(&image);
    std::printf("%-24s %5.1f ms\n", qPrintable(name), qs::test::threadMilliseconds() - start);
    image.save(folder + QLatin1Char('/') + name + QStringLiteral(".png"));
}

} // namespace

int main(int argc, char** argv) {
    QApplication app(argc, argv);
    const QString folder = argc > 1 ? QString::fromLocal8Bit(argv[1]) : QStringLiteral(".");
    const double scale = argc > 2 ? QString::fromLocal8Bit(argv[2]).toDouble() : 1;
    QDir().mkpath(folder);
    for (const ThemeMode mode : {ThemeMode::Light, ThemeMode::Dark}) {
        applyTheme(app, mode);
        const QString suffix = mode == ThemeMode::Dark ? QStringLiteral("-dark") : QString();
        const auto shot = [&](const char* name, const std::function<QWidget*()>& make) {
            save(make, folder, QLatin1String(name) + suffix, scale);
        };
        shot("inspect", inspectWindow);
        shot("controls", controls);
        shot("tables", tables);
        shot("empty", emptyPage);
        shot("heatmap-diverging", [] { return heatMap(divergingHeatMap(), {760, 320}); });
        shot("heatmap-wide", [] { return heatMap(wideHeatMap(), {1000, 300}); });
        shot("heatmap-small", [] { return heatMap(layerHeatMap(), {420, 190}); });
        shot("profile-zoom", [] { return profile(true, false, {1000, 280}); });
        shot("profile-sorted", [] { return profile(false, true, {700, 460}); });
        shot("histogram-levels", [] { return histogramWidget(quantHistogram(), true); });
        shot("histogram-clip", clipped);
        shot("menu", menu);
        shot("message", message);
        shot("histogram-linear", [] { return histogramWidget(smoothHistogram(), false); });
    }
    return 0;
}
