// SPDX-License-Identifier: GPL-3.0-or-later
// Token map and tracer as widgets: no spike is lost at any zoom, the crosshair follows mouse and keys.
#include "CpuTimer.h"

#include "tests/support/qs_test.h"
#include "widgets/charts/ExportMenu.h"
#include "widgets/charts/TracerChart.h"
#include "widgets/heatmaps/TokenMapWidget.h"
#include "widgets/theme/ColorLevels.h"

#include <QScrollBar>
#include <cmath>
#include <random>

using namespace qs;
using namespace qs::ui;

namespace {

std::shared_ptr<const Matrix> noise(size_t tokens, size_t channels, uint32_t seed) {
    auto m = std::make_shared<Matrix>(tokens, channels);
    std::mt19937 rng(seed);
    std::normal_distribution<float> normal;
    for (float& v : m->span())
        v = normal(rng);
    return m;
}

std::shared_ptr<TokenMapData> mapOf(std::shared_ptr<const Matrix> values, const QVector<QPoint>& spikes) {
    auto d = std::make_shared<TokenMapData>();
    d->site = QStringLiteral("layers.0.attn");
    for (size_t t = 0; t < values->rows(); ++t)
        d->tokens << QStringLiteral("t%1").arg(t);
    d->median = 0.67;
    d->rule = QStringLiteral("50 × median");
    d->scales = tokenScales(values->view());
    for (const float v : values->span())
        d->absmax = std::max(d->absmax, std::fabs(v));
    d->spikes = spikes;
    for (const QPoint& s : spikes)
        if (!d->outlierChannels.contains(s.x())) d->outlierChannels.push_back(s.x());
    d->values = TokenPyramid::make(std::move(values));
    return d;
}

std::unique_ptr<TokenMapWidget> shown(TokenMapDataPtr data, const QSize& size) {
    auto w = std::make_unique<TokenMapWidget>();
    w->resize(size);
    w->setData(std::move(data));
    w->show();
    return w;
}

TracerDataPtr tracerData() {
    auto d = std::make_shared<TracerData>();
    d->blocks = 2;
    d->pointCount = 6;
    d->yTitle = QStringLiteral("max |x|");
    for (int i = 0; i < 6; ++i) {
        d->bandLow.push_back(0.1 * (i + 1));
        d->bandHigh.push_back(1 + i);
        d->limit.push_back(50 * 0.05);
        d->pointNames << QStringLiteral("p%1").arg(i);
        d->writers << (i == 0 || i == 5 ? QString() : QStringLiteral("layers.%1.w").arg(i));
    }
    TracerLine a, b;
    a.channel = 788;
    a.value = {0.2, 0.4, 300, 310, 9, 8};
    a.normed = {NAN, 1, 2, 3, 4, NAN};
    a.born = 2;
    a.bornText = QStringLiteral("block 0, × 750");
    a.dies = 4;
    b.channel = 12;
    b.slot = 1;
    b.value = {1, 2, 3, 4, 5, 6};
    d->lines = {a, b};
    return d;
}

} // namespace

class TokenMapTest : public QObject {
    Q_OBJECT
private slots:
    void pyramidIsExact() {
        for (const size_t channels : {1u, 2u, 3u, 7u, 64u, 100u, 257u}) {
            const auto values = noise(3, channels, uint32_t(channels));
            const auto pyramid = TokenPyramid::make(values);
            std::mt19937 rng(7);
            for (int i = 0; i < 400; ++i) {
                const int a = int(rng() % channels), b = a + 1 + int(rng() % (channels - size_t(a)));
                const int t = int(rng() % 3);
                float best = 0;
                for (int c = a; c < b; ++c)
                    if (std::fabs((*values)(size_t(t), size_t(c))) > std::fabs(best))
                        best = (*values)(size_t(t), size_t(c));
                QCOMPARE(pyramid->strongest(t, a, b), best);
                QCOMPARE((*values)(size_t(t), size_t(pyramid->strongestChannel(t, a, b))), best);
            }
        }
    }

    void pyramidPassesOverNaN() {
        auto m = std::make_shared<Matrix>(1, 5);
        const float row[] = {NAN, -2, NAN, 1, NAN};
        std::copy_n(row, 5, m->row(0));
        const auto p = TokenPyramid::make(m);
        QCOMPARE(p->strongest(0, 0, 5), -2.0f);
        QCOMPARE(p->strongest(0, 2, 5), 1.0f);
        QVERIFY(std::isnan(p->strongest(0, 2, 3)));
        QCOMPARE(p->tokenMax(0), 2.0f);
    }

    /// Wherever a spike is and however the map is zoomed: its pixel has the colour of the largest value.
    void noSpikeIsLost() {
        const ColorTable& table = colorTable(MapKind::Sequential);
        std::mt19937 rng(3);
        for (int round = 0; round < 12; ++round) {
            auto m = std::make_shared<Matrix>(40 + round * 31, 300 + size_t(round) * 517);
            std::normal_distribution<float> normal;
            for (float& v : m->span())
                v = normal(rng);
            const QPoint spike(int(rng() % m->cols()), int(rng() % m->rows()));
            (*m)(size_t(spike.y()), size_t(spike.x())) = -900;
            // Without the list of spikes: what is tested is the pooling, not the marks on top.
            const auto w = shown(mapOf(m, {}), {700, 420});
            for (const bool all : {true, false}) {
                all ? w->showAll() : w->showReadable();
                if (!all) w->setChannelRange(spike.x() - 20.5, spike.x() + 33.25);
                if (!all) w->verticalScrollBar()->setValue(int(spike.y() * 12.0) - 30);
                const TokenMapLayout l = w->currentLayout();
                const QImage picture = w->viewport()->grab().toImage();
                const QRectF cell = l.cellRect(spike).intersected(l.plot);
                QVERIFY(!cell.isEmpty());
                bool found = false;
                for (int x = int(cell.left()) - 1; x <= int(cell.right()) + 1 && !found; ++x)
                    for (int y = int(cell.top()) - 1; y <= int(cell.bottom()) + 1 && !found; ++y)
                        found = picture.rect().contains(x, y) &&
                                (picture.pixel(x, y) | 0xff000000u) == table[255];
                QVERIFY2(
                    found,
                    qPrintable(QStringLiteral("spike %1, %2 all %3").arg(spike.x()).arg(spike.y()).arg(all)));
                const auto [first, end] = l.channelsAt(l.columnOf(spike.x()));
                QVERIFY(first <= spike.x() && spike.x() < end);
            }
        }
    }

    void spikeIsSixPixelsWide() {
        auto m = std::make_shared<Matrix>(30, 8000);
        for (float& v : m->span())
            v = 0.5f;
        (*m)(11, 4000) = 700;
        const auto w = shown(mapOf(m, {{4000, 11}}), {700, 500});
        const TokenMapLayout l = w->currentLayout();
        QVERIFY(l.pixelsPerChannel() < 0.1);
        const QImage picture = w->viewport()->grab().toImage();
        const int y = int(l.cellRect({4000, 11}).center().y());
        int dark = 0;
        for (int x = int(l.plot.left()); x < int(l.plot.right()); ++x)
            dark += (picture.pixel(x, y) | 0xff000000u) == colorTable(MapKind::Sequential)[255];
        QVERIFY2(dark >= 6 && dark <= 7, qPrintable(QString::number(dark)));
    }

    void clickTakesTheStrongestOfThePixel() {
        auto m = std::make_shared<Matrix>(20, 4096);
        for (float& v : m->span())
            v = 0.25f;
        (*m)(4, 1001) = 80;
        const auto w = shown(mapOf(m, {{1001, 4}}), {700, 420});
        QSignalSpy moved(w.get(), &TokenMapWidget::crosshairMoved);
        const TokenMapLayout l = w->currentLayout();
        const QPoint at(int(l.columnOf(1001)), int(l.cellRect({1001, 4}).center().y()));
        QTest::mouseClick(w->viewport(), Qt::LeftButton, {}, at);
        QCOMPARE(moved.size(), 1);
        QCOMPARE(w->crosshair(), QPoint(1001, 4));
        QVERIFY(w->accessibleDescription().contains(QStringLiteral("channel 1001")));
    }

    void keysMoveTheCrosshair() {
        const auto w = shown(mapOf(noise(50, 200, 5), {{150, 40}, {20, 3}}), {700, 420});
        w->setCrosshair({10, 10});
        QSignalSpy moved(w.get(), &TokenMapWidget::crosshairMoved);
        QTest::keyClick(w.get(), Qt::Key_Right);
        QCOMPARE(w->crosshair(), QPoint(11, 10));
        QTest::keyClick(w.get(), Qt::Key_Down, Qt::ShiftModifier);
        QCOMPARE(w->crosshair(), QPoint(11, 20));
        QTest::keyClick(w.get(), Qt::Key_Right, Qt::ControlModifier);
        QCOMPARE(w->crosshair(), QPoint(20, 20)); // the next marked channel
        QTest::keyClick(w.get(), Qt::Key_Right, Qt::ControlModifier);
        QCOMPARE(w->crosshair(), QPoint(150, 20));
        QTest::keyClick(w.get(), Qt::Key_N);
        QCOMPARE(w->crosshair(), QPoint(150, 40));
        QTest::keyClick(w.get(), Qt::Key_N);
        QCOMPARE(w->crosshair(), QPoint(20, 3));
        QTest::keyClick(w.get(), Qt::Key_End);
        QCOMPARE(w->crosshair(), QPoint(199, 3));
        QTest::keyClick(w.get(), Qt::Key_Right);
        QCOMPARE(w->crosshair(), QPoint(199, 3)); // the edge
        QCOMPARE(moved.size(), 7);
        QSignalSpy activated(w.get(), &TokenMapWidget::channelActivated);
        QTest::keyClick(w.get(), Qt::Key_Return);
        QCOMPARE(activated.value(0).value(0).toInt(), 199);
        QTest::keyClick(w.get(), Qt::Key_Escape);
        QCOMPARE(w->crosshair(), QPoint(-1, -1));
    }

    void zoomKeepsWhatIsUnderThePointer() {
        const auto w = shown(mapOf(noise(50, 4096, 5), {}), {700, 420});
        const TokenMapLayout before = w->currentLayout();
        const QPointF at(before.plot.left() + before.plot.width() * 0.7, before.plot.center().y());
        const double channel =
            before.firstChannel + (at.x() - before.plot.left()) / before.pixelsPerChannel();
        QWheelEvent wheel(at, w->viewport()->mapToGlobal(at), {}, QPoint(0, 480), Qt::NoButton,
                          Qt::ControlModifier, Qt::NoScrollPhase, false);
        QCoreApplication::sendEvent(w->viewport(), &wheel);
        const TokenMapLayout after = w->currentLayout();
        QVERIFY(after.endChannel - after.firstChannel < 0.5 * 4096);
        const double now = after.firstChannel + (at.x() - after.plot.left()) / after.pixelsPerChannel();
        QVERIFY(std::fabs(now - channel) <= 1);
        QTest::keyClick(w.get(), Qt::Key_0);
        QCOMPARE(w->currentLayout().endChannel, 4096.0);
    }

    void scales() {
        const auto data = mapOf(noise(4, 8, 1), {});
        const TokenScale log = TokenScale::of(*data, TokenMode::Magnitude);
        QVERIFY(std::fabs(log.lo - 0.134) <= 1e-9);
        QCOMPARE(log.position(-double(data->absmax)), 1.0);
        QCOMPARE(log.position(0), 0.0);
        QVERIFY(std::fabs(log.position(std::sqrt(log.lo * log.hi)) - 0.5) <= 1e-9);
        const TokenScale both = TokenScale::of(*data, TokenMode::Signed);
        QCOMPARE(both.position(0), 0.5);
        QVERIFY(std::fabs(both.position(1.3) + both.position(-1.3) - 1) <= 1e-12);
        QVERIFY(std::isnan(both.position(NAN)));
    }

    /// The table's entries by thresholds are those by the scale's own formula, beside a threshold's rounding.
    void coloursFollowTheScale() {
        const auto data = mapOf(noise(4, 8, 1), {});
        for (const TokenMode mode : {TokenMode::Magnitude, TokenMode::Signed}) {
            const TokenScale scale = TokenScale::of(*data, mode);
            const ColorLevels levels([&](double position) { return scale.valueAt(position); });
            size_t seen = 0, last = 256;
            for (float v = mode == TokenMode::Magnitude ? 1e-3f : -4.0f; v < 4; v += 1e-4f) {
                const double at = scale.position(double(v)) * 255;
                if (std::fabs(at - std::floor(at) - 0.5) < 1e-4) continue;
                QCOMPARE(levels.at(v), size_t(std::lround(at)));
                seen += levels.at(v) != last;
                last = levels.at(v);
            }
            QCOMPARE(seen, size_t(256));
            QCOMPARE(levels.at(INFINITY), size_t(255));
            QCOMPARE(levels.at(mode == TokenMode::Magnitude ? 0 : -INFINITY), size_t(0));
        }
    }

    void picturesAndTables() {
        const auto w = shown(mapOf(noise(3, 4, 2), {}), {700, 300});
        const QStringList lines = w->toCsv().split(QLatin1Char('\n'), Qt::SkipEmptyParts);
        QCOMPARE(lines.size(), 4);
        QCOMPARE(lines[0], QStringLiteral("position,token,0,1,2,3"));
        QVERIFY(lines[2].startsWith(QStringLiteral("1,t1,")));
        QCOMPARE(lines[2].split(QLatin1Char(','))[3].toDouble(), double(w->data()->values->value(1, 1)));
        QVERIFY(!pictureSvg(*w, {600, 300}).isEmpty());
        TracerChart chart;
        chart.setData(tracerData());
        const QStringList rows = chart.toCsv().split(QLatin1Char('\n'), Qt::SkipEmptyParts);
        QCOMPARE(rows.size(), 7);
        QVERIFY(rows[3].contains(QStringLiteral("300")));
        QVERIFY(!pictureImage(chart, {600, 240}, 1).isNull());
    }

    void paintsInTime() {
        auto w = shown(mapOf(noise(1024, 4096, 5), {}), {1000, 600});
        w->showAll();
        QImage target(1000, 600, QImage::Format_RGB32);
        const double ms = qs::test::cheapest(3, [&] {
            w->setMode(w->mode() == TokenMode::Magnitude ? TokenMode::Signed : TokenMode::Magnitude);
            w->viewport()->render(&target);
        });
        const double again = qs::test::cheapest(5, [&] { w->viewport()->render(&target); });
        // What colours by the scale itself would take, on this machine: one logarithm or asinh a pixel.
        const TokenScale scale = TokenScale::of(*w->data(), TokenMode::Signed);
        double sum = 0;
        const double scales = qs::test::cheapest(3, [&] {
            for (int i = 0; i < 1000 * 600; ++i)
                sum += scale.position(double(i % 4001) * 1e-3);
        });
        qInfo("1024 x 4096 values to 1000 x 600: %.1f ms, again %.1f, scales alone %.1f", ms, again, scales);
        QVERIFY(sum > 0);
        QVERIFY(ms < scales);
        QVERIFY(again < ms / 2);
    }

    void tracerMouseAndKeys() {
        TracerChart chart;
        chart.resize(700, 300);
        chart.setData(tracerData());
        chart.show();
        QCOMPARE(chart.currentChannel(), 788);
        const PlotAxes axes = chart.axesFor(chart.size());
        // Decades are equally far apart.
        QVERIFY(std::fabs((axes.y.toPixel(1) - axes.y.toPixel(10)) -
                          (axes.y.toPixel(10) - axes.y.toPixel(100))) <= 1e-6);
        QSignalSpy selected(&chart, &TracerChart::channelSelected);
        const QPointF at = chart.pointPosition(axes, chart.data()->lines[1], 3);
        QTest::mouseClick(&chart, Qt::LeftButton, {}, at.toPoint());
        QCOMPARE(selected.value(0).value(0).toInt(), 12);
        QCOMPARE(chart.currentPoint(), 3);
        QSignalSpy activated(&chart, &TracerChart::pointActivated);
        QTest::keyClick(&chart, Qt::Key_Left);
        QTest::keyClick(&chart, Qt::Key_Up);
        QCOMPARE(chart.currentChannel(), 788);
        QVERIFY(chart.accessibleDescription().contains(QStringLiteral("layers.2.w")));
        QTest::keyClick(&chart, Qt::Key_Return);
        QCOMPARE(activated.value(0).value(0).toInt(), 2);
        QSignalSpy removed(&chart, &TracerChart::removeRequested);
        QTest::keyClick(&chart, Qt::Key_Delete);
        QCOMPARE(removed.value(0).value(0).toInt(), 788);
    }
};

QS_TEST(TokenMapTest)
#include "tst_token_map.moc"
