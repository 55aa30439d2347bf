// SPDX-License-Identifier: GPL-3.0-or-later
#include "CpuTimer.h"

#include "tests/support/qs_test.h"
#include "widgets/charts/ChannelProfileWidget.h"
#include "widgets/charts/ExportMenu.h"
#include "widgets/charts/HistogramWidget.h"
#include "widgets/theme/Theme.h"

#include <QApplication>
#include <QClipboard>
#include <QDialog>
#include <QMenu>
#include <QMouseEvent>
#include <QTableView>
#include <QWheelEvent>
#include <cmath>

using namespace qs::ui;

namespace {

std::shared_ptr<ChannelProfileData> profile(int n, int spike) {
    auto d = std::make_shared<ChannelProfileData>();
    d->title = "Activations";
    d->xTitle = "input channel";
    d->yTitle = "|x|, absmax";
    for (int i = 0; i < n; ++i)
        d->absmax.push_back(1.0f + 0.001f * float(i % 7));
    d->absmax[spike] = 80;
    d->median = 1;
    d->ruleThreshold = 6;
    d->ruleLabel = QString::fromUtf8("6 × median");
    d->outliers = {spike};
    return d;
}

int count(const QImage& image, const QRect& area, const QColor& color, int tolerance = 4) {
    int n = 0;
    for (int y = std::max(0, area.top()); y <= std::min(image.height() - 1, area.bottom()); ++y)
        for (int x = std::max(0, area.left()); x <= std::min(image.width() - 1, area.right()); ++x) {
            const QColor c(image.pixel(x, y));
            n += std::abs(c.red() - color.red()) <= tolerance &&
                 std::abs(c.green() - color.green()) <= tolerance &&
                 std::abs(c.blue() - color.blue()) <= tolerance;
        }
    return n;
}

QImage grab(QWidget& w) {
    return w.grab().toImage();
}

void wheel(QWidget& w, QPointF at, int delta) {
    QWheelEvent event(at, w.mapToGlobal(at), {}, {0, delta}, Qt::NoButton, {}, Qt::NoScrollPhase, false);
    QApplication::sendEvent(&w, &event);
}

std::shared_ptr<HistogramData> histogram() {
    auto d = std::make_shared<HistogramData>();
    d->title = "Weights";
    d->xTitle = "w";
    d->lo = -1;
    d->hi = 1;
    d->before = QVector<quint64>(100, 0);
    d->before[50] = 1000000;
    d->before[10] = 1;
    return d;
}

} // namespace

class ChannelProfileTest : public QObject {
    Q_OBJECT
private slots:
    void initTestCase() { applyTheme(*qApp, ThemeMode::Light); }

    void aSpikeAmongManyChannelsIsWideAndMarked() {
        // 20 000 channels on about 500 px: 40 channels a pixel. The spike is at 3/4 of the width.
        ChannelProfilePane pane;
        pane.resize(560, 300);
        pane.setData(profile(20000, 15000));
        const QImage image = grab(pane);
        const Theme& t = theme();
        QVERIFY(count(image, image.rect(), t.outlier) > 30); // triangle, label, rule line
        // Half way up between the bulk (1) and the spike (80), on a log axis: sqrt(80) = 9. Above the rule,
        // only the spike can paint there; it must be at least 6 px wide.
        int widest = 0;
        for (int y = 60; y < 130; ++y) {
            int run = 0;
            for (int x = 60; x < image.width(); ++x) {
                const QColor c(image.pixel(x, y));
                run += c.blue() > c.red() + 25;
            }
            widest = std::max(widest, run);
        }
        QVERIFY2(widest >= 6, qPrintable(QString::number(widest)));
    }
    void poolingKeepsTheMaximum() {
        // The same picture without the outlier listed: the pooled column must still reach 80.
        auto d = profile(20000, 15000);
        d->outliers.clear();
        ChannelProfilePane pane;
        pane.resize(560, 300);
        pane.setData(d);
        const QImage image = grab(pane);
        int columns = 0;
        for (int x = 60; x < image.width(); ++x) {
            const QColor c(image.pixel(x, 100));
            columns += c.blue() > c.red() + 25;
        }
        QCOMPARE(columns, 1);
    }
    void clickSelectsTheSpikeNearby() {
        ChannelProfilePane pane;
        pane.resize(560, 300);
        pane.setData(profile(20000, 15000));
        pane.show();
        QSignalSpy spy(&pane, &ChannelProfilePane::channelSelected);
        // Find the triangle's column by its colour in the upper part.
        const QImage image = grab(pane);
        int x = -1;
        for (int i = image.width() - 1; i > 60 && x < 0; --i)
            if (count(image, QRect(i, 22, 1, 30), theme().outlier) >= 3) x = i;
        QVERIFY(x > 0);
        QTest::mouseClick(&pane, Qt::LeftButton, {}, QPoint(x - 3, 150));
        QCOMPARE(spy.count(), 1);
        QCOMPARE(spy[0][0].toInt(), 15000);
        QCOMPARE(pane.selectedChannel(), 15000);
    }
    void zoomIsLinkedAndKeepsThePointer() {
        ChannelProfileWidget w;
        w.resize(1200, 300);
        w.setData(profile(4096, 100), profile(4096, 788));
        w.show();
        QSignalSpy a(w.activationsPane(), &ChannelProfilePane::rangeChanged);
        wheel(*w.activationsPane(), QPointF(300, 150), 120);
        QCOMPARE(a.count(), 1);
        const double lo = a[0][0].toDouble(), hi = a[0][1].toDouble();
        QVERIFY(std::abs((hi - lo) - 4096 * 0.8) < 1);
        QVERIFY(lo > 0 && hi < 4096);
        // The weights pane follows: the same wheel back there brings both to the full range.
        QSignalSpy b(w.weightsPane(), &ChannelProfilePane::rangeChanged);
        QTest::keyClick(w.weightsPane(), Qt::Key_0);
        QCOMPARE(b.count(), 1);
        QCOMPARE(b[0][0].toDouble(), 0.0);
        QCOMPARE(b[0][1].toDouble(), 4096.0);
        // A drag selects a range.
        QTest::mousePress(w.activationsPane(), Qt::LeftButton, {}, QPoint(200, 150));
        QMouseEvent move(QEvent::MouseMove, QPointF(300, 150), QPointF(300, 150), Qt::LeftButton,
                         Qt::LeftButton, {});
        QApplication::sendEvent(w.activationsPane(), &move);
        QTest::mouseRelease(w.activationsPane(), Qt::LeftButton, {}, QPoint(300, 150));
        QVERIFY(a.last()[1].toDouble() - a.last()[0].toDouble() < 1200);
    }
    void differentSizesAreNotLinked() {
        ChannelProfileWidget w;
        w.resize(1200, 300);
        w.setData(profile(1024, 100), profile(4096, 788));
        QSignalSpy b(w.weightsPane(), &ChannelProfilePane::rangeChanged);
        w.activationsPane()->setSelectedChannel(2000);
        QCOMPARE(w.weightsPane()->selectedChannel(), -1);
        QCOMPARE(b.count(), 0);
    }
    void sortedOrderPutsTheLargestFirst() {
        ChannelProfilePane pane;
        pane.resize(560, 300);
        pane.setData(profile(2048, 1500));
        pane.setOrder(ChannelOrder::Sorted);
        pane.show();
        pane.setFocus();
        QSignalSpy spy(&pane, &ChannelProfilePane::channelSelected);
        QTest::keyClick(&pane, Qt::Key_Right); // from nothing to the first rank
        QCOMPARE(spy.last()[0].toInt(), 1500);
        pane.setOrder(ChannelOrder::Natural);
        QTest::keyClick(&pane, Qt::Key_Right);
        QCOMPARE(spy.last()[0].toInt(), 1501);
        QTest::keyClick(&pane, Qt::Key_Left, Qt::ControlModifier); // the next outlier to the left
        QCOMPARE(spy.last()[0].toInt(), 1500);
    }
    void labelsDoNotOverlap() {
        // Twenty outliers side by side: at most a few labels fit, and none may lie on another: with overlap
        // the painted pixels of the label row would exceed what separate labels can hold.
        auto d = profile(2048, 1000);
        d->outliers.clear();
        for (int c = 1000; c < 1020; ++c) {
            d->absmax[c] = 80;
            d->outliers.push_back(c);
        }
        ChannelProfilePane pane;
        pane.resize(560, 300);
        pane.setData(d);
        const QImage image = grab(pane);
        const QRect row(0, 30, image.width(), 36);
        int columns = 0;
        for (int x = 0; x < image.width(); ++x)
            columns += count(image, QRect(x, row.top(), 1, row.height()), theme().outlier, 60) > 0;
        QVERIFY2(columns > 8 && columns < 110, qPrintable(QString::number(columns)));
    }
    void emptyAndDegenerateData() {
        ChannelProfileWidget w;
        w.resize(700, 500);
        w.setData(nullptr, nullptr);
        grab(w);
        auto none = std::make_shared<ChannelProfileData>();
        none->emptyText = "Activations are not measured yet.";
        auto nan = profile(64, 3);
        nan->absmax.fill(std::nanf(""));
        nan->outliers = {3, -1, 5000};
        w.setData(nan, none);
        grab(w);
        auto one = profile(1, 0);
        auto zero = profile(300, 10);
        zero->absmax.fill(0);
        w.setData(one, zero);
        w.setOrder(ChannelOrder::Sorted);
        grab(w);
        wheel(*w.weightsPane(), QPointF(100, 100), 1200);
        QTest::keyClick(w.weightsPane(), Qt::Key_Right);
        auto mismatched = profile(10, 1);
        mismatched->p999 = {1, 2};
        w.setData(mismatched, nullptr);
        QVERIFY(!w.weightsPane()->data());
    }
    void csv() {
        auto d = profile(3, 1);
        d->absmax = {1.5f, 80, std::nanf("")};
        ChannelProfilePane pane;
        pane.setData(d);
        QCOMPARE(pane.toCsv(), QString("channel,absmax,outlier\n0,1.5,0\n1,80,1\n2,,0\n"));
    }
    void paintingTime() { // printed, not asserted: a busy machine is not a fault
        ChannelProfilePane pane;
        auto d = profile(28672, 15000);
        d->p999 = d->absmax;
        pane.setData(d);
        QImage image(900, 400, QImage::Format_RGB32);
        const double best = qs::test::cheapest(20, [&] {
            QPainter p(&image);
            pane.renderTo(p, image.size());
        });
        QVERIFY(best > 0);
        qInfo("28 672 channels, 900 x 400 px: %.2f ms", best);
    }
};
QS_TEST(ChannelProfileTest)

class HistogramTest : public QObject {
    Q_OBJECT
private slots:
    void initTestCase() { applyTheme(*qApp, ThemeMode::Light); }

    void aSingleValueIsSeenOnTheLogAxisOnly() {
        HistogramWidget w;
        w.resize(600, 300);
        w.setData(histogram());
        // Bin 10 of 100 lies at x = -0.79: in the left quarter of the plot.
        const QRect left(70, 30, 110, 250);
        QVERIFY(count(grab(w), left, theme().original) > 5);
        w.setLogY(false);
        QCOMPARE(count(grab(w), left, theme().original), 0);
    }
    void beforeAndAfterCanBeHidden() {
        auto d = histogram();
        d->after = QVector<quint64>(100, 0);
        d->after[50] = 500;
        HistogramWidget w;
        w.resize(600, 300);
        w.setData(d);
        const QRect plot(70, 40, 500, 200);
        QVERIFY(count(grab(w), plot, theme().data) > 100);
        w.setAfterVisible(false);
        QCOMPARE(count(grab(w), plot, theme().data), 0);
        QVERIFY(count(grab(w), plot, theme().original) > 100);
        w.setBeforeVisible(false);
        QCOMPARE(count(grab(w), plot, theme().original), 0);
    }
    void poolingKeepsAPeakNarrowerThanAPixel() {
        auto d = histogram();
        d->before = QVector<quint64>(20000, 10);
        d->before[13001] = 1000000;
        HistogramWidget w;
        w.resize(600, 300);
        w.setData(d);
        const QImage image = grab(w);
        // Just under the top of the plot only the peak paints.
        QVERIFY(count(image, QRect(70, 45, 520, 3), theme().original) +
                    count(image, QRect(70, 45, 520, 3), theme().text3) >=
                1);
    }
    void zoomIsClampedToTheData() {
        HistogramWidget w;
        w.resize(600, 300);
        w.setData(histogram());
        w.show();
        QSignalSpy spy(&w, &HistogramWidget::rangeChanged);
        wheel(w, QPointF(300, 150), 120);
        QVERIFY(std::abs((spy.last()[1].toDouble() - spy.last()[0].toDouble()) - 1.6) < 1e-9);
        for (int i = 0; i < 60; ++i)
            wheel(w, QPointF(300, 150), 240);
        QVERIFY(spy.last()[1].toDouble() - spy.last()[0].toDouble() >= 4 * 0.02 - 1e-9); // four bins
        QTest::mouseDClick(&w, Qt::LeftButton, {}, QPoint(300, 150));
        QCOMPARE(spy.last()[0].toDouble(), -1.0);
        QCOMPARE(spy.last()[1].toDouble(), 1.0);
    }
    void clipHandles() {
        HistogramWidget w;
        w.resize(620, 300);
        w.setData(histogram()); // bins of 0.02 over [-1, 1]
        w.setClip(-0.5, 0.5);
        w.show();
        QSignalSpy moved(&w, &HistogramWidget::clipMoved), kept(&w, &HistogramWidget::clipKept),
            restored(&w, &HistogramWidget::clipRestored);
        // The low handle's line is the leftmost column of the outlier colour.
        const QImage image = grab(w);
        int x = -1;
        for (int i = 60; i < image.width() && x < 0; ++i)
            if (count(image, QRect(i, 100, 1, 40), theme().outlier) > 30) x = i;
        QVERIFY(x > 0);
        const auto moveTo = [&](double px) {
            QMouseEvent move(QEvent::MouseMove, QPointF(px, 150), QPointF(px, 150), Qt::LeftButton,
                             Qt::LeftButton, {});
            QApplication::sendEvent(&w, &move);
        };
        QTest::mousePress(&w, Qt::LeftButton, {}, QPoint(x, 150));
        moveTo(x + 40);
        QVERIFY(moved.count() >= 1);
        QVERIFY(w.clipLo() > -0.45 && w.clipLo() < -0.2);
        QCOMPARE(w.clipHi(), 0.5);
        moveTo(610); // past the other handle it stops a bin before it
        QVERIFY(std::abs(w.clipLo() - 0.48) < 1e-9);
        QTest::mouseRelease(&w, Qt::LeftButton, {}, QPoint(610, 150));
        QTest::keyClick(&w, Qt::Key_Escape);
        QCOMPARE(restored.count(), 1);
        QCOMPARE(w.clipLo(), -0.5);
        QTest::keyClick(&w, Qt::Key_Left, Qt::ShiftModifier);
        QVERIFY(std::abs(w.clipHi() - 0.48) < 1e-9);
        QTest::keyClick(&w, Qt::Key_Return);
        QCOMPARE(kept.count(), 1);
        QTest::keyClick(&w, Qt::Key_Escape); // nothing left to restore
        QCOMPARE(restored.count(), 1);
        w.removeClip();
        QCOMPARE(count(grab(w), QRect(60, 40, 550, 200), theme().outlier), 0);
    }
    void csv() {
        auto d = histogram();
        d->lo = 0;
        d->hi = 2;
        d->before = {3, 4};
        d->after = {5, 18446744073709551615ull};
        HistogramWidget w;
        w.setData(d);
        QCOMPARE(w.toCsv(), QString("from,to,before,after\n0,1,3,5\n1,2,4,18446744073709551615\n"));
    }
    void wrongOrEmptyData() {
        HistogramWidget w;
        w.resize(300, 150);
        grab(w);
        auto d = histogram();
        d->after = {1};
        w.setData(d);
        QVERIFY(!w.data());
        auto none = histogram();
        none->before.clear();
        w.setData(none);
        grab(w);
        auto zero = histogram();
        zero->before.fill(0);
        w.setData(zero);
        w.setCompact(true);
        grab(w);
    }
};
QS_TEST(HistogramTest)

class PictureExportTest : public QObject {
    Q_OBJECT
private slots:
    void initTestCase() { applyTheme(*qApp, ThemeMode::Light); }

    void pngScalesAndSvgIsVector() {
        HistogramWidget w;
        w.setData(histogram());
        const QSize size(320, 200);
        const auto folder = QString::fromStdString(qs::test::scratchDir("pictures").string());
        for (const int scale : {1, 2, 4}) {
            const QString path = folder + QStringLiteral("/p%1.png").arg(scale);
            QCOMPARE(savePicture(w, size, path, scale), QString());
            QCOMPARE(QImage(path).size(), size * scale);
        }
        QCOMPARE(savePicture(w, size, folder + "/p.svg", 1), QString());
        QFile svg(folder + "/p.svg");
        QVERIFY(svg.open(QIODevice::ReadOnly));
        const QByteArray text = svg.readAll();
        QVERIFY(text.contains("<svg") && text.contains("<rect") && !text.contains("<image"));
        QCOMPARE(savePicture(w, size, folder + "/p.csv", 1), QString());
        QFile csv(folder + "/p.csv");
        QVERIFY(csv.open(QIODevice::ReadOnly));
        QCOMPARE(QString::fromUtf8(csv.readAll()), w.toCsv());
    }
    void failuresAreNamed() {
        HistogramWidget w;
        w.setData(histogram());
        QVERIFY(
            savePicture(w, {100, 100}, "/nonexistent/folder/p.png", 1).contains("/nonexistent/folder/p.png"));
        QVERIFY(savePicture(w, {100, 100}, "p.bmp", 1).contains(".png"));
    }
    void menuOffersEveryForm() {
        HistogramWidget w;
        w.setData(histogram());
        w.resize(300, 200);
        QMenu menu;
        addExportActions(menu, &w, &w);
        QStringList texts;
        QAction *copy = nullptr, *table = nullptr;
        for (QAction* a : menu.actions()) {
            texts += a->text();
            if (a->text().startsWith("Copy")) copy = a;
            if (a->text().startsWith("Show")) table = a;
        }
        for (const char* needed : {"1x", "2x", "4x", "SVG", "CSV", "table"})
            QVERIFY2(texts.join(' ').contains(QLatin1String(needed)), needed);
        copy->trigger();
        QCOMPARE(QApplication::clipboard()->image().size(), QSize(300, 200));
        table->trigger();
        auto* dialog = w.findChild<QDialog*>();
        QVERIFY(dialog);
        auto* view = dialog->findChild<QTableView*>();
        QCOMPARE(view->model()->rowCount(), 100);
        QCOMPARE(view->model()->index(50, 2).data().toString(), QString("1000000"));
        QCOMPARE(view->model()->headerData(2, Qt::Horizontal).toString(), QString("before"));
        delete dialog;
    }
};
QS_TEST(PictureExportTest)

#include "tst_charts.moc"
