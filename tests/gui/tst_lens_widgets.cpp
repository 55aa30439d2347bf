// SPDX-License-Identifier: GPL-3.0-or-later
// The pictures of the distribution lens, each with small data: clip lines that move together, the error map,
// the anatomy of a group, the layer card.
#include "tests/support/qs_test.h"
#include "widgets/charts/AnatomyWidget.h"
#include "widgets/charts/HistogramWidget.h"
#include "widgets/heatmaps/ErrorMapWidget.h"
#include "widgets/theme/Theme.h"
#include "widgets/views/LayerCard.h"

#include <QLabel>
#include <QMouseEvent>
#include <QPushButton>
#include <QScrollBar>
#include <cmath>

using namespace qs::ui;
using qs::ActivationsKnown;
using qs::LayerFinding;

namespace {

int count(const QImage& image, const QRect& area, const QColor& color, int tolerance = 6) {
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

std::shared_ptr<HistogramData> flat() {
    auto d = std::make_shared<HistogramData>();
    d->lo = -2;
    d->hi = 4;
    d->before = QVector<quint64>(60, 10);
    return d;
}

std::shared_ptr<ErrorMapData> map(int rows, int groups) {
    auto d = std::make_shared<ErrorMapData>();
    d->rows = rows;
    d->groups = groups;
    d->groupSize = 32;
    d->valueTitle = "relative error";
    d->unit = "%";
    d->values = QVector<float>(qsizetype(rows) * groups, 1.0f);
    return d;
}

std::shared_ptr<AnatomyData> anatomy() {
    auto d = std::make_shared<AnatomyData>();
    d->row = 3;
    d->group = 1;
    d->levels = 4;
    for (int i = 0; i < 32; ++i) {
        d->columns.push_back(32 + i);
        d->weights.push_back(0.25 * (i % 4)); // scale 0.25, zero 0: codes 0 1 2 3
    }
    d->largest = 3;
    AnatomyMethod nearest{"RTN", {}, 0.25, 0, {}, {}, {}, 1.5, 2.5},
        other{"GPTQ", {}, 0.25, 0, {}, {}, {}, 2.5, 1.5};
    for (int i = 0; i < 32; ++i) {
        nearest.codes.push_back(i % 4);
        nearest.levels.push_back(i % 4);
        nearest.nearest.push_back(true);
        other.codes.push_back(i == 5 ? 3 : i % 4);
        other.levels.push_back(i == 5 ? 3 : i % 4);
        other.nearest.push_back(i != 5);
    }
    d->methods = {nearest, other, {"AWQ", "calibrate first", 0, 0, {}, {}, {}, 0, 0}};
    return d;
}

} // namespace

class LinkedClipTest : public QObject {
    Q_OBJECT
private slots:
    void initTestCase() { applyTheme(*qApp, ThemeMode::Light); }

    void bothHandlesKeepTheirRatio() {
        HistogramWidget w;
        w.resize(600, 300);
        w.setData(flat());
        w.setClipCentre(0);
        w.setClipLimits(-2, 4);
        w.setClip(-2, 4);
        w.show();
        QSignalSpy moved(&w, &HistogramWidget::clipMoved), kept(&w, &HistogramWidget::clipKept);
        QSignalSpy restored(&w, &HistogramWidget::clipRestored);
        QTest::keyClick(&w, Qt::Key_Left, Qt::ShiftModifier); // a bin of 0.1: 3.9 of 4
        QCOMPARE(moved.size(), 1);
        QVERIFY(std::abs(w.clipHi() - 3.9) <= 1e-9 && std::abs(w.clipLo() + 1.95) <= 1e-9);
        QTest::keyClick(&w, Qt::Key_Right, Qt::ControlModifier); // the low one, a bin towards the centre
        QVERIFY(std::abs(w.clipLo() + 1.85) <= 1e-9 && std::abs(w.clipHi() - 3.7) <= 1e-9);
        for (int i = 0; i < 20; ++i) // never out of the limits
            QTest::keyClick(&w, Qt::Key_Right, Qt::ShiftModifier);
        QVERIFY(std::abs(w.clipHi() - 4) <= 1e-9 && std::abs(w.clipLo() + 2) <= 1e-9);
        for (int i = 0; i < 80; ++i) // and never past the centre
            QTest::keyClick(&w, Qt::Key_Left, Qt::ShiftModifier);
        QVERIFY(w.clipHi() > 0 && w.clipLo() < 0 && std::abs(w.clipHi() + 2 * w.clipLo()) <= 1e-9);
        QTest::keyClick(&w, Qt::Key_Escape);
        QCOMPARE(restored.size(), 1);
        QCOMPARE(w.clipHi(), 4.0);
        w.setClip(-1, 2, -2, 4); // moved from outside: Escape knows the way back, Enter keeps
        QTest::keyClick(&w, Qt::Key_Return);
        QCOMPARE(kept.size(), 1);
        QCOMPARE(w.clipHi(), 2.0);
    }
    void theOutlineIsDrawnInTheBinsOfTheChart() {
        // Errors over [-2, 4] in 60 bins of 10; the outline holds twice as many per unit, in bins half as
        // wide: drawn, it stands at 20.
        auto d = flat();
        d->errors = true;
        d->outline = {-2, 4, QVector<quint64>(120, 10), "before"};
        HistogramWidget w;
        w.resize(600, 300);
        w.setLogY(false);
        w.setData(d);
        const QImage image = w.grab().toImage();
        int line = -1, fill = -1;
        for (int y = 30; y < 260; ++y) {
            if (line < 0 && count(image, QRect(100, y, 400, 1), theme().text, 40) > 100) line = y;
            if (fill < 0 && count(image, QRect(100, y, 400, 1), theme().outlier, 20) > 300) fill = y;
        }
        QVERIFY2(line > 0 && fill > line, qPrintable(QStringLiteral("%1 %2").arg(line).arg(fill)));
        // On a linear axis from 0, 20 is twice as high as 10.
        int bottom = line;
        const QColor bars = blend(theme().outlier, theme().base, 0.55);
        for (int y = fill; y < image.height(); ++y)
            if (count(image, QRect(100, y, 400, 1), bars) > 200) bottom = y + 1;
        QVERIFY2(std::abs(bottom - line - 2 * (bottom - fill)) <= 4,
                 qPrintable(QStringLiteral("%1 %2 %3").arg(line).arg(fill).arg(bottom)));
    }
};
QS_TEST(LinkedClipTest)

class ErrorMapTest : public QObject {
    Q_OBJECT
private slots:
    void initTestCase() { applyTheme(*qApp, ThemeMode::Light); }

    void noBadGroupIsLostInThePooling() {
        // 20 000 rows on 300 px: 66 a pixel. One bad group must still be the darkest cell of its pixel.
        ErrorMapWidget w;
        w.resize(400, 400);
        auto d = map(20000, 16);
        d->values[qsizetype(12345) * 16 + 7] = 50;
        w.setData(d);
        w.show();
        QSignalSpy spy(&w, &ErrorMapWidget::groupSelected);
        const QRectF cell = w.cellRect(12345, 7);
        const QColor worst = QColor::fromRgb(colorTable(MapKind::Sequential)[255]);
        const QImage image = w.grab().toImage();
        QVERIFY(count(image, cell.adjusted(0, -2, 0, 2).toAlignedRect(), worst) >= 10);
        // A click anywhere in the pixel finds the worst row of those behind it.
        const QPoint pixel(int(cell.center().x()), int(cell.center().y())); // cells are thinner than pixels
        QTest::mouseClick(&w, Qt::LeftButton, {}, pixel);
        QCOMPARE(spy.size(), 1);
        QCOMPARE(spy[0][0].toInt(), 12345);
        QCOMPARE(spy[0][1].toInt(), 7);
    }
    void keysWalkAndStopAtTheEnds() {
        ErrorMapWidget w;
        w.resize(300, 300);
        w.setData(map(40, 4));
        w.show();
        QSignalSpy spy(&w, &ErrorMapWidget::groupSelected);
        w.setCurrent(0, 0);
        QCOMPARE(spy.size(), 0);
        QTest::keyClick(&w, Qt::Key_Up);
        QCOMPARE(spy.size(), 0);
        QTest::keyClick(&w, Qt::Key_Down);
        QTest::keyClick(&w, Qt::Key_Right);
        QCOMPARE(std::pair(w.currentRow(), w.currentGroup()), std::pair(1, 1));
        QTest::keyClick(&w, Qt::Key_End);
        QTest::keyClick(&w, Qt::Key_PageUp);
        QCOMPARE(w.currentRow(), 35);
    }
    void coarseRowsKeepTheirNumbers() {
        ErrorMapWidget w;
        w.resize(300, 300);
        auto d = map(10, 2);
        d->rowStep = 8;
        d->values[5 * 2] = std::nanf("");
        w.setData(d);
        w.setCurrent(0, 0);
        QTest::keyClick(&w, Qt::Key_Down);
        QCOMPARE(w.currentRow(), 8);
        const QStringList csv = w.toCsv().split(QLatin1Char('\n'));
        QCOMPARE(csv[0], QStringLiteral("row,group,\"relative error, %\""));
        QCOMPARE(csv[3], QStringLiteral("8,0,1"));
        QCOMPARE(csv[11], QStringLiteral("40,0,")); // not defined
    }
    void inconsistentDataIsShownAsEmpty() {
        ErrorMapWidget w;
        w.resize(300, 300);
        auto d = map(10, 2);
        d->values.removeLast();
        w.setData(d);
        QVERIFY(!w.data() && w.toCsv().isEmpty());
        QVERIFY(!w.grab().isNull());
    }
};
QS_TEST(ErrorMapTest)

class AnatomyWidgetTest : public QObject {
    Q_OBJECT
private slots:
    void initTestCase() { applyTheme(*qApp, ThemeMode::Light); }

    void aCodeThatIsNotTheNearestIsMarked() {
        AnatomyWidget w;
        w.resize(1100, 260);
        w.setData(anatomy());
        w.show();
        const QImage image = w.grab().toImage();
        const auto marked = [&](int method, int index) {
            return count(image, w.codeRect(method, index).toAlignedRect(), theme().predicted, 30) > 0;
        };
        QVERIFY(marked(1, 5));
        QVERIFY(!marked(1, 6) && !marked(0, 5));
    }
    void keysChooseMethodAndWeight() {
        AnatomyWidget w;
        w.resize(1100, 260);
        w.setData(anatomy());
        w.show();
        QSignalSpy methods(&w, &AnatomyWidget::methodSelected), columns(&w, &AnatomyWidget::columnSelected);
        QTest::keyClick(&w, Qt::Key_Down);
        QCOMPARE(w.currentMethod(), 1);
        QTest::keyClick(&w, Qt::Key_Up);
        QTest::keyClick(&w, Qt::Key_Up); // the first one stays
        QCOMPARE(w.currentMethod(), 0);
        QCOMPARE(methods.size(), 2);
        QTest::keyClick(&w, Qt::Key_End);
        QTest::keyClick(&w, Qt::Key_Left);
        QCOMPARE(columns.size(), 2);
        QCOMPARE(columns[1][0].toInt(), 62);
        const QPoint code = w.codeRect(1, 4).center().toPoint();
        QTest::mouseClick(w.viewport(), Qt::LeftButton, {}, code);
        QCOMPARE(w.currentMethod(), 1);
        QCOMPARE(columns.last()[0].toInt(), 36);
        // New numbers of the same group: the chosen method stays.
        w.setData(anatomy());
        QCOMPARE(w.currentMethod(), 1);
    }
    void aWideGroupScrolls() {
        AnatomyWidget w;
        w.resize(600, 260);
        w.setData(anatomy());
        w.show();
        QVERIFY(w.horizontalScrollBar()->maximum() > 0);
        QTest::keyClick(&w, Qt::Key_End);
        QCOMPARE(w.horizontalScrollBar()->value(), w.horizontalScrollBar()->maximum());
    }
    /// Data may come before the page is shown: the largest weight is in view all the same, until the user
    /// scrolls.
    void theLargestIsInViewOnceThereIsRoom() {
        auto d = anatomy();
        d->largest = 20;
        AnatomyWidget w;
        w.resize(80, 40);
        w.setData(d);
        const auto seen = [&w] { return w.codeRect(0, 20).right() <= w.viewport()->width(); };
        for (const int width : {600, 420}) {
            w.resize(width, 260);
            w.show();
            QTRY_VERIFY(w.horizontalScrollBar()->value() > 0);
            QVERIFY2(seen(), qPrintable(QString::number(width)));
        }
        QTest::keyClick(&w, Qt::Key_Home);
        QCOMPARE(w.horizontalScrollBar()->value(), 0);
        w.resize(440, 260);
        QCOMPARE(w.horizontalScrollBar()->value(), 0);
        QVERIFY(!seen());
    }
    void csvHasOneLinePerWeight() {
        AnatomyWidget w;
        w.setData(anatomy());
        const QStringList lines = w.toCsv().split(QLatin1Char('\n'));
        QCOMPARE(lines[0], QStringLiteral("row,input,weight,RTN code,RTN value,GPTQ code,GPTQ value"));
        QCOMPARE(lines[6], QStringLiteral("3,37,0.25,1,0.25,3,0.75"));
        QCOMPARE(lines.size(), 1 + 32 + 1);
    }
};
QS_TEST(AnatomyWidgetTest)

class LayerCardTest : public QObject {
    Q_OBJECT
private slots:
    void sentencesCarryTheirNumbers() {
        LayerFinding f;
        f.kind = LayerFinding::Kind::EnergyInFew;
        f.channels = {788, 1415};
        f.value = 0.71;
        f.other = 2.0 / 2048;
        const QString text = findingText(f);
        for (const char* part : {"<b>788</b>", "<b>71 %</b>", "channels"})
            QVERIFY2(text.contains(QString::fromLatin1(part)), qPrintable(text));
        f.channels = {788};
        QVERIFY(findingText(f).contains(u"channel <b>788</b> holds"));
        f.kind = LayerFinding::Kind::Error;
        f.value = 0.078;
        f.other = 0.094;
        f.outputError = true;
        QVERIFY2(findingText(f).contains(u"7.8 %") && findingText(f).contains(u"9.4 %"),
                 qPrintable(findingText(f)));
        f.other = qs::kNotKnown;
        QVERIFY(!findingText(f).contains(u"nearest"));
        f.kind = LayerFinding::Kind::NoActivations;
        f.activations = ActivationsKnown::NotCalibrated;
        QVERIFY(findingText(f).contains(u"Calibrate"));
    }
    void buttonsReportTheirOption() {
        LayerCard card;
        card.setData({{"One."}, {{"Raise", "+1 B", "hint", true}, {"Keep", "+2 B", "", false}}, "footer"});
        card.show();
        QSignalSpy spy(&card, &LayerCard::optionChosen);
        QTest::mouseClick(card.button(1), Qt::LeftButton);
        QCOMPARE(spy.size(), 1);
        QCOMPARE(spy[0][0].toInt(), 1);
        QPushButton* first = card.button(0);
        card.setData({{"Two."}, {{"Other", "+3 B", "", false}}, {}});
        QCOMPARE(card.button(0), first);
        QCOMPARE(first->text(), QStringLiteral("Other"));
        QCOMPARE(card.price(0), QStringLiteral("+3 B"));
        QVERIFY(!card.button(1)->isVisible());
    }
};
QS_TEST(LayerCardTest)

#include "tst_lens_widgets.moc"
