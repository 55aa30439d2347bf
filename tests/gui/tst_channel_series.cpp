// SPDX-License-Identifier: GPL-3.0-or-later
// Percentiles and mean beside absmax: what is drawn, listed and exported, and the way to one channel and
// back.
#include "app/pages/InspectPage.h"
#include "app/pages/ProfilePane.h"
#include "tests/gui/WindowFixture.h"
#include "widgets/charts/ChannelProfileWidget.h"
#include "widgets/theme/Theme.h"

#include <QMenu>
#include <QToolButton>
#include <cmath>

using namespace qs;
using namespace qs::test;
using namespace qs::ui;

namespace {

constexpr int kLong = 180000;

/// absmax 8, p99.9 4, p99 2, p50 1 and mean `mean` of every channel; channel `spike` ten times as much.
std::shared_ptr<ChannelProfileData> levels(int n, int spike, float mean = -0.5f) {
    auto d = std::make_shared<ChannelProfileData>();
    d->title = QStringLiteral("Activations");
    d->xTitle = QStringLiteral("input channel");
    d->yTitle = QStringLiteral("|x|");
    const std::pair<QVector<float>*, float> all[] = {
        {&d->absmax, 8.0f}, {&d->p999, 4.0f}, {&d->p99, 2.0f}, {&d->p50, 1.0f}, {&d->mean, mean}};
    for (const auto& [values, level] : all) {
        values->fill(level, n);
        (*values)[spike] = 10 * level;
    }
    d->outliers = {spike};
    return d;
}

QImage painted(const ChannelProfilePane& pane) {
    QImage image(pane.size(), QImage::Format_RGB32);
    QPainter p(&image);
    pane.renderTo(p, image.size());
    return image;
}

/// Rows of the picture that hold pixels of a colour, left of the legend; (-1, -1) for none.
QPair<int, int> rowsOf(const QImage& image, const QColor& color) {
    QPair<int, int> rows(-1, -1);
    for (int y = 0; y < image.height(); ++y)
        for (int x = 60; x < image.width() / 2; ++x) {
            const QColor c(image.pixel(x, y));
            if (std::abs(c.red() - color.red()) + std::abs(c.green() - color.green()) +
                    std::abs(c.blue() - color.blue()) >
                60)
                continue;
            if (rows.first < 0) rows.first = y;
            rows.second = y;
        }
    return rows;
}

/// Percentile with linear interpolation, NumPy's default.
double percentile(std::vector<float> magnitudes, double p) {
    std::sort(magnitudes.begin(), magnitudes.end());
    const double h = double(magnitudes.size() - 1) * p;
    const size_t k = size_t(h);
    const double above = k + 1 < magnitudes.size() ? magnitudes[k + 1] : magnitudes[k];
    return magnitudes[k] + (h - double(k)) * (above - magnitudes[k]);
}

} // namespace

class ChannelSeriesTest : public QObject {
    Q_OBJECT
private slots:
    void initTestCase() { applyTheme(*qApp, ThemeMode::Light); }

    void onlyWhatIsChosenIsDrawn_data() {
        QTest::addColumn<int>("channels");
        QTest::newRow("a channel per dot") << 32;
        QTest::newRow("many channels per pixel") << 8192;
    }
    void onlyWhatIsChosenIsDrawn() {
        QFETCH(int, channels);
        ChannelProfilePane pane;
        pane.resize(700, 400);
        pane.setData(levels(channels, channels - 1));
        pane.setSeries({});
        for (const ChannelSeries s : kChannelSeries) {
            const QColor color = channelSeriesInfo(s).color;
            if (s == ChannelSeries::P999) continue; // in the colour of the axes' text
            pane.setSeries({});
            QCOMPARE(rowsOf(painted(pane), color), qMakePair(-1, -1));
            pane.setSeries({s});
            const auto rows = rowsOf(painted(pane), color);
            QVERIFY2(rows.first > 0, channelSeriesInfo(s).id);
            QVERIFY2(rows.second - rows.first < 8, channelSeriesInfo(s).id); // one level: a flat line
        }
        // All on one axis, in the order of their sizes, equal ratios at equal distances.
        pane.setSeries({ChannelSeries::P99, ChannelSeries::P50, ChannelSeries::Mean});
        const QImage image = painted(pane);
        double at[3];
        for (int i = 0; i < 3; ++i) {
            const auto rows = rowsOf(image, channelSeriesInfo(kChannelSeries[size_t(i) + 1]).color);
            at[i] = (rows.first + rows.second) / 2.0;
        }
        QVERIFY(at[0] < at[1] && at[1] < at[2]);
        QVERIFY(std::fabs((at[1] - at[0]) - (at[2] - at[1])) <= 1.5); // 2 to 1, 1 to 1/2
    }

    void aMeanIsDrawnByItsMagnitude() {
        ChannelProfilePane pane;
        pane.resize(700, 400);
        pane.setSeries({ChannelSeries::Mean});
        pane.setData(levels(64, 63, -0.5f));
        const QImage negative = painted(pane);
        pane.setData(levels(64, 63, 0.5f));
        QCOMPARE(painted(pane), negative);
        pane.setData(levels(64, 63, 0.25f));
        QVERIFY(painted(pane) != negative);
    }

    void csvHoldsWhatIsMeasured() {
        auto d = levels(2, 1);
        ChannelProfilePane pane;
        pane.setSeries({}); // what is drawn does not matter
        pane.setData(d);
        QCOMPARE(pane.toCsv(), QStringLiteral("channel,absmax,p99.9,p99,p50,mean,outlier\n"
                                              "0,8,4,2,1,-0.5,0\n1,80,40,20,10,-5,1\n"));
        auto bare = levels(1, 0);
        bare->p999.clear();
        bare->p50.clear();
        ChannelProfileWidget both;
        both.setData(d, bare);
        QCOMPARE(both.toCsv(), QStringLiteral("side,channel,absmax,p99.9,p99,p50,mean\n"
                                              "weights,0,8,4,2,1,-0.5\nweights,1,80,40,20,10,-5\n"
                                              "activations,0,80,,20,,-5\n"));
    }

    void aSeriesOfAnotherLengthIsRefused() {
        auto d = levels(8, 3);
        d->mean.resize(7);
        ChannelProfilePane pane;
        pane.setData(d);
        QVERIFY(!pane.data());
    }

    /// Double click: 16 channels around it and its values listed, on both sides; Escape brings the range
    /// back.
    void toOneChannelAndBack() {
        ChannelProfileWidget w;
        w.resize(1400, 320);
        auto weights = levels(1024, 700), activations = levels(1024, 700);
        activations->median = 8;
        w.setData(weights, activations);
        w.show();
        ChannelProfilePane* pane = w.activationsPane();
        pane->setFocus();
        pane->setSelectedChannel(700);
        for (int i = 0; i < 3; ++i)
            QTest::keyClick(pane, Qt::Key_Plus);
        QSignalSpy range(pane, &ChannelProfilePane::rangeChanged);
        QTest::keyClick(pane, Qt::Key_Return);
        QVERIFY(pane->isListShown() && w.weightsPane()->isListShown());
        QCOMPARE(range.last()[1].toDouble() - range.last()[0].toDouble(), 16.0);
        QVERIFY(range.last()[0].toDouble() <= 700 && range.last()[1].toDouble() >= 701);
        QCOMPARE(
            pane->accessibleDescription(),
            QString::fromUtf8("channel 700, absmax 80, 10.0 × median, p99.9 40, p99 20, p50 10, mean −5"));
        // The list is in the picture too.
        const QImage with = painted(*pane);
        QTest::keyClick(pane, Qt::Key_Right);
        QVERIFY2(pane->accessibleDescription().startsWith(QStringLiteral("channel 701, absmax 8,")),
                 qPrintable(pane->accessibleDescription()));
        QVERIFY(painted(*pane) != with);
        QTest::keyClick(pane, Qt::Key_Escape);
        QVERIFY(!pane->isListShown() && !w.weightsPane()->isListShown());
        QVERIFY(pane->accessibleDescription().isEmpty());
        QVERIFY(std::fabs(range.last()[1].toDouble() - range.last()[0].toDouble() - 1024 * 0.343) <= 0.01);
        QTest::keyClick(pane, Qt::Key_Escape);
        QCOMPARE(range.last()[1].toDouble() - range.last()[0].toDouble(), 1024.0);

        // By mouse: the spike is at 700 / 1024 of the width.
        const int x = 60 + int((pane->width() - 80) * 700.5 / 1024);
        QTest::mouseDClick(w.weightsPane(), Qt::LeftButton, {}, QPoint(x, 160));
        QVERIFY(w.weightsPane()->isListShown() && pane->isListShown());
        QCOMPARE(w.weightsPane()->selectedChannel(), 700);
        QCOMPARE(pane->selectedChannel(), 700);
        QTest::mouseDClick(pane, Qt::LeftButton, {}, QPoint(x, 160));
        QVERIFY(!w.weightsPane()->isListShown() && !pane->isListShown());
    }

    /// The menu of the page, and numbers of the sample's weights by plain sorting.
    void inTheWindow() {
        const WindowHome home("channel-series");
        {
            WindowFixture w(home);
            w->openSample();
            QTRY_VERIFY_WITH_TIMEOUT(w.session()->model(), kLong);
            const int up = w.table()->indexOf(QStringLiteral("layers.1.mlp.up_proj"));
            w.session()->selection()->selectOne(up);
            const auto* pane = w->inspectPage()->profile()->profile()->weightsPane();
            QTRY_VERIFY_WITH_TIMEOUT(pane->data() && pane->data()->channels() == 256, kLong);
            const QuantTarget& t = w.session()->model()->targets()[size_t(up)];
            Matrix weight(t.rows, t.cols);
            QS_VERIFY_OK(w.session()->model()->readTargetRows(t, 0, weight.view()));
            for (const bool input : {true, false}) {
                w->inspectState()->setSide(input ? app::ChannelSide::Input : app::ChannelSide::Output);
                const int channels = int(input ? t.cols : t.rows);
                QTRY_COMPARE(pane->data()->channels(), channels);
                for (const int c : {0, 56, channels - 1}) {
                    std::vector<float> magnitudes;
                    double sum = 0;
                    for (size_t i = 0; i < (input ? t.rows : t.cols); ++i) {
                        const float v = input ? weight(i, size_t(c)) : weight(size_t(c), i);
                        sum += double(v);
                        magnitudes.push_back(std::fabs(v));
                    }
                    const double mean = sum / double(magnitudes.size());
                    QVERIFY(std::fabs(double(pane->data()->p999[c]) - percentile(magnitudes, 0.999)) <= 1e-6);
                    QVERIFY(std::fabs(double(pane->data()->p99[c]) - percentile(magnitudes, 0.99)) <= 1e-6);
                    QVERIFY(std::fabs(double(pane->data()->p50[c]) - percentile(magnitudes, 0.5)) <= 1e-6);
                    QVERIFY(std::fabs(double(pane->data()->mean[c]) - mean) <= 1e-6);
                }
            }
            auto* menu = w.find<QToolButton>("series")->menu();
            const QImage before = painted(*pane);
            menu->findChild<QAction*>(QStringLiteral("p50"))->trigger();
            QVERIFY(painted(*pane) != before);
            w->close();
        }
        WindowFixture again(home);
        auto* menu = again.find<QToolButton>("series")->menu();
        QVERIFY(menu->findChild<QAction*>(QStringLiteral("p50"))->isChecked()); // remembered
        QVERIFY(menu->findChild<QAction*>(QStringLiteral("p99.9"))->isChecked());
        QVERIFY(!menu->findChild<QAction*>(QStringLiteral("mean"))->isChecked());
    }
};

QS_TEST(ChannelSeriesTest)
#include "tst_channel_series.moc"
