// SPDX-License-Identifier: GPL-3.0-or-later
#include "CpuTimer.h"

#include "tests/support/qs_test.h"
#include "widgets/charts/ExportMenu.h"
#include "widgets/heatmaps/ColorBar.h"
#include "widgets/heatmaps/HeatMapWidget.h"

#include <QScrollBar>
#include <cmath>

using namespace qs::ui;

namespace {
std::shared_ptr<HeatMapData> grid(int rows, int columns) {
    auto d = std::make_shared<HeatMapData>();
    for (int r = 0; r < rows; ++r)
        d->rowLabels += QStringLiteral("row %1").arg(r);
    for (int c = 0; c < columns; ++c)
        d->columnLabels += QString::number(c);
    d->columnTitle = "block";
    d->valueTitle = "error";
    d->unit = "%";
    for (int i = 0; i < rows * columns; ++i) {
        d->values.push_back(1 + i);
        d->cellTexts += QString::number(i % 8);
    }
    d->lo = 1;
    d->hi = rows * columns;
    return d;
}

std::unique_ptr<HeatMapWidget> shown(HeatMapDataPtr data, QSize size) {
    auto w = std::make_unique<HeatMapWidget>();
    w->resize(size);
    w->setData(std::move(data));
    w->show();
    return w;
}

QPoint centre(const HeatMapWidget& w, int row, int column) {
    return w.currentLayout().cellRect(row, column).center().toPoint();
}

void drag(HeatMapWidget& w, QPoint from, QPoint to, Qt::KeyboardModifiers mods = {}) {
    QTest::mousePress(w.viewport(), Qt::LeftButton, mods, from);
    QMouseEvent move(QEvent::MouseMove, to, w.viewport()->mapToGlobal(to), Qt::LeftButton, Qt::LeftButton,
                     mods);
    QApplication::sendEvent(w.viewport(), &move);
    QTest::mouseRelease(w.viewport(), Qt::LeftButton, mods, to);
}
} // namespace

class HeatMapTest : public QObject {
    Q_OBJECT
private slots:
    void initTestCase() { applyTheme(*qApp, ThemeMode::Light); }

    void cellsGrowToTheirLimits() {
        const auto big = shown(grid(3, 4), {1200, 700});
        const HeatMapLayout l = big->currentLayout();
        QCOMPARE(l.cellWidth, 64.0);
        QCOMPARE(l.cellHeight, 36.0);
        // Too many columns: 6 px each, and the rest scrolls.
        const auto narrow = shown(grid(4, 400), {600, 300});
        QCOMPARE(narrow->currentLayout().cellWidth, 6.0);
        QVERIFY(narrow->horizontalScrollBar()->maximum() > 0);
        QCOMPARE(narrow->horizontalScrollBar()->maximum(),
                 int(400 * 6 - narrow->currentLayout().view.width()));
    }
    void cellColoursAreTheMap() {
        auto d = grid(2, 2);
        d->values = {1, 4, std::nan(""), 99};
        d->cellTexts.clear();
        d->lo = 1;
        d->hi = 4;
        const auto w = shown(d, {500, 300});
        const QImage image = w->viewport()->grab().toImage();
        const auto at = [&](int r, int c) { return QColor(image.pixel(centre(*w, r, c))).rgb(); };
        const ColorTable& table = colorTable(MapKind::Sequential, false);
        QCOMPARE(at(0, 0), table[0]);
        QCOMPARE(at(0, 1), table[255]);
        QCOMPARE(at(1, 1), table[255]); // clamped; the bar's end says ">"
        QVERIFY(ColorBarSpec::of(*d, false).anyAbove);
        QVERIFY(!ColorBarSpec::of(*d, false).anyBelow);
        // Not measured: hatched, so at least two colours in the cell and none of them the map's low end.
        const QRect cell = w->currentLayout().cellRect(1, 0).toRect().adjusted(3, 3, -3, -3);
        QSet<QRgb> colors;
        for (int y = cell.top(); y < cell.bottom(); ++y)
            for (int x = cell.left(); x < cell.right(); ++x)
                colors.insert(image.pixel(x, y));
        QVERIFY(colors.size() >= 2);
        QVERIFY(!colors.contains(table[0]));
    }
    void divergingMiddleIsGrey() {
        auto d = grid(1, 3);
        d->values = {-2, 0, 2};
        d->cellTexts.clear();
        d->diverging = true;
        d->lo = d->hi = 0;
        const Normalization n = d->normalization();
        QCOMPARE(n.lo, -2.0);
        QCOMPARE(n.position(0), 0.5);
        const QColor low = mapColor(n, colorTable(MapKind::Diverging, false), -2),
                     high = mapColor(n, colorTable(MapKind::Diverging, false), 2);
        QVERIFY(low.red() > low.blue());     // orange: fewer, worse
        QVERIFY(high.blue() > high.green()); // purple: more, better
    }
    void clickAndDragSelect() {
        const auto w = shown(grid(7, 16), {1000, 400});
        QSignalSpy current(w.get(), &HeatMapWidget::currentCellChanged),
            brushed(w.get(), &HeatMapWidget::brushed);
        QTest::mouseClick(w->viewport(), Qt::LeftButton, {}, centre(*w, 3, 5));
        QCOMPARE(current.count(), 1);
        QCOMPARE(current[0][0].toInt(), 3);
        QCOMPARE(current[0][1].toInt(), 5);
        QCOMPARE(w->selectedCells(), QVector<QPoint>{QPoint(5, 3)});

        drag(*w, centre(*w, 4, 2), centre(*w, 6, 5));
        QCOMPARE(w->selectedCells().size(), 12); // 3 rows x 4 columns
        QVERIFY(w->selectedCells().contains(QPoint(2, 4)) && w->selectedCells().contains(QPoint(5, 6)));
        QCOMPARE(w->currentCell(), QPoint(5, 6));
        QCOMPARE(brushed.last()[0].value<QVector<QPoint>>().size(), 12);
        // Ctrl+drag adds; a drag past the edge clamps.
        drag(*w, centre(*w, 0, 15), QPoint(990, centre(*w, 1, 15).y()), Qt::ControlModifier);
        QCOMPARE(w->selectedCells().size(), 14);
        QTest::keyClick(w.get(), Qt::Key_Escape);
        QCOMPARE(w->selectedCells().size(), 1);
    }
    void labelsSelectRowsAndColumns() {
        const auto w = shown(grid(7, 16), {1000, 400});
        const HeatMapLayout l = w->currentLayout();
        QTest::mouseClick(w->viewport(), Qt::LeftButton, {},
                          QPoint(int(l.rowLabelRight) - 4, centre(*w, 2, 0).y()));
        QCOMPARE(w->selectedCells().size(), 16);
        for (const QPoint& c : w->selectedCells())
            QCOMPARE(c.y(), 2);
        QTest::mouseClick(w->viewport(), Qt::LeftButton, {},
                          QPoint(centre(*w, 0, 9).x(), int(l.columnLabels.center().y())));
        QCOMPARE(w->selectedCells().size(), 7);
    }
    void keys() {
        const auto w = shown(grid(7, 16), {1000, 400});
        w->setCurrentCell(0, 0);
        QSignalSpy bits(w.get(), &HeatMapWidget::bitsTyped), lock(w.get(), &HeatMapWidget::lockRequested),
            activated(w.get(), &HeatMapWidget::cellActivated);
        QTest::keyClick(w.get(), Qt::Key_Right);
        QTest::keyClick(w.get(), Qt::Key_Down);
        QCOMPARE(w->currentCell(), QPoint(1, 1));
        QTest::keyClick(w.get(), Qt::Key_Right, Qt::ShiftModifier);
        QTest::keyClick(w.get(), Qt::Key_Down, Qt::ShiftModifier);
        QCOMPARE(w->selectedCells().size(), 4);
        QTest::keyClick(w.get(), Qt::Key_Up, Qt::ShiftModifier);
        QCOMPARE(w->selectedCells().size(), 2); // the anchor stays
        for (const int key : {Qt::Key_1, Qt::Key_2, Qt::Key_8, Qt::Key_9})
            QTest::keyClick(w.get(), Qt::Key(key));
        QTest::keyClick(w.get(), Qt::Key_AsciiCircum, Qt::ShiftModifier);
        QCOMPARE(bits.count(), 3);
        QCOMPARE(bits[0][0].toInt(), 2);
        QCOMPARE(bits[1][0].toInt(), 8);
        QCOMPARE(bits[2][0].toInt(), 16);
        QTest::keyClick(w.get(), Qt::Key_L);
        QTest::keyClick(w.get(), Qt::Key_U);
        QCOMPARE(lock[0][0].toBool(), true);
        QCOMPARE(lock[1][0].toBool(), false);
        QTest::keyClick(w.get(), Qt::Key_Return);
        QCOMPARE(activated.count(), 1);
        QTest::keyClick(w.get(), Qt::Key_A, Qt::ControlModifier);
        QCOMPARE(w->selectedCells().size(), 7 * 16);
        QTest::keyClick(w.get(), Qt::Key_Left);
        QTest::keyClick(w.get(), Qt::Key_Home);
        QCOMPARE(w->currentCell().x(), 0);
        QTest::keyClick(w.get(), Qt::Key_Left); // at the edge
        QCOMPARE(w->currentCell().x(), 0);
    }
    void currentCellScrollsIntoView() {
        const auto w = shown(grid(4, 400), {600, 300});
        w->setCurrentCell(0, 399);
        QVERIFY(w->currentLayout().view.contains(w->currentLayout().cellRect(0, 399).center()));
        w->setCurrentCell(0, 0);
        QCOMPARE(w->horizontalScrollBar()->value(), 0);
    }
    void selectionSurvivesNewValues() {
        const auto w = shown(grid(3, 3), {400, 300});
        w->setSelectedCells({{0, 0}, {1, 0}, {9, 9}});
        QCOMPARE(w->selectedCells().size(), 2); // outside cells are ignored
        w->setCurrentCell(1, 1);
        w->setData(grid(3, 3));
        QCOMPARE(w->selectedCells().size(), 2);
        QCOMPARE(w->currentCell(), QPoint(1, 1));
        w->setData(grid(2, 3));
        QCOMPARE(w->selectedCells().size(), 0);
        QCOMPARE(w->currentCell(), QPoint(-1, -1));
    }
    void wrongShapesAreShownAsEmpty() {
        auto d = grid(3, 3);
        d->values.pop_back();
        const auto w = shown(d, {400, 300});
        QVERIFY(!w->data());
        w->viewport()->grab();
        w->setData(nullptr);
        QTest::keyClick(w.get(), Qt::Key_Right);
        QTest::mouseClick(w->viewport(), Qt::LeftButton, {}, QPoint(100, 100));
        QCOMPARE(w->toCsv(), QString());
        auto bars = grid(3, 3);
        bars->rowBars = {1, 2};
        w->setData(bars);
        QVERIFY(!w->data());
    }
    void csvHoldsEveryCell() {
        auto d = grid(2, 2);
        d->values[1] = std::nan("");
        d->rowLabels[0] = "a,b";
        const auto w = shown(d, {400, 300});
        QCOMPARE(
            w->toCsv(),
            QString("row,block,\"error, %\",text\n\"a,b\",0,1,0\n\"a,b\",1,,1\nrow 1,0,3,2\nrow 1,1,4,3\n"));
    }
    void themeChangeRepaints() {
        const auto w = shown(grid(2, 2), {400, 300});
        applyTheme(*qApp, ThemeMode::Dark);
        const QImage image = w->viewport()->grab().toImage();
        QCOMPARE(QColor(image.pixel(1, 1)), Theme::darkTheme().base);
        applyTheme(*qApp, ThemeMode::Light);
    }
    void paintingTime() { // printed, not asserted: a busy machine is not a fault
        // 128 x 16 cells; text is painted when the cells are wide enough, so both cases are measured.
        for (const QSize size : {QSize(1100, 420), QSize(3400, 700)}) {
            HeatMapPainter painter;
            const auto d = grid(16, 128);
            const HeatMapLayout l = painter.layout(*d, size, {}, true);
            QImage image(size, QImage::Format_RGB32);
            const double best = qs::test::cheapest(20, [&] {
                QPainter p(&image);
                painter.paint(p, *d, l, {});
            });
            QVERIFY(best > 0);
            qInfo("128 x 16 cells, %d x %d px: %.2f ms", size.width(), size.height(), best);
        }
    }
};
QS_TEST(HeatMapTest)

#include "tst_heat_map.moc"
