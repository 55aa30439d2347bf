// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/support/qs_test.h"
#include "widgets/theme/Style.h"
#include "widgets/theme/Theme.h"
#include "widgets/views/Chip.h"
#include "widgets/views/Delegates.h"
#include "widgets/views/DockTitleBar.h"
#include "widgets/views/ElidedLabel.h"
#include "widgets/views/EmptyState.h"
#include "widgets/views/KeyValueGrid.h"
#include "widgets/views/SearchLineEdit.h"
#include "widgets/views/SegmentedButtons.h"
#include "widgets/views/ViewSetup.h"

#include <QApplication>
#include <QClipboard>
#include <QComboBox>
#include <QHeaderView>
#include <QLineEdit>
#include <QMainWindow>
#include <QMimeData>
#include <QPushButton>
#include <QStandardItemModel>
#include <QTableView>
#include <QToolBar>

using namespace qs::ui;

namespace {
int pixels(const QImage& image, const QColor& color) {
    int n = 0;
    for (int y = 0; y < image.height(); ++y)
        for (int x = 0; x < image.width(); ++x)
            n += image.pixel(x, y) == color.rgb();
    return n;
}
QImage pips(double bits) {
    QImage image(80, 22, QImage::Format_RGB32);
    image.fill(theme().base);
    QPainter p(&image);
    BitsPipsDelegate::paintPips(p, QRectF(4, 0, 70, 22), bits);
    return image;
}
} // namespace

class ViewsTest : public QObject {
    Q_OBJECT
private slots:
    void initTestCase() { applyTheme(*qApp, ThemeMode::Light); }

    void controlMetrics() {
        // The sizes of the design hold for the 9 pt font.
        QFont font = QApplication::font();
        QCOMPARE(font.pointSizeF(), 9.0);
        QLineEdit edit;
        QComboBox combo;
        QPushButton button("Solve the rest");
        QCOMPARE(edit.sizeHint().height(), 24);
        QCOMPARE(combo.sizeHint().height(), 24);
        QCOMPARE(button.sizeHint().height(), 24);
        QTableView table;
        QStandardItemModel model(3, 2);
        setupTable(&table);
        table.setModel(&model);
        table.show();
        QCOMPARE(table.rowHeight(0), 22);
        QCOMPARE(table.horizontalHeader()->height(), 24);
        QToolBar bar;
        bar.addAction("Open");
        QCOMPARE(bar.sizeHint().height(), 40);
        QDockWidget dock("Model");
        DockTitleBar title(&dock);
        QCOMPARE(title.sizeHint().height(), 26);
    }
    void selectedTextKeepsItsColour() {
        QTableView table;
        QStandardItemModel model(1, 1);
        model.setItem(0, 0, new QStandardItem(QStringLiteral("████")));
        model.item(0)->setForeground(theme().error);
        setupTable(&table);
        table.setModel(&model);
        table.resize(200, 80);
        table.selectRow(0);
        const QImage image = table.grab().toImage();
        QVERIFY(pixels(image, theme().error) > 40);
        QVERIFY(pixels(image, theme().selection) > 200);
        QVERIFY(pixels(image, theme().accent) > 100); // the two lines of the current row
    }
    void pipsCountBits() {
        const auto filled = [](double bits) { return pixels(pips(bits), theme().accent); };
        QCOMPARE(filled(0), 0);
        QCOMPARE(filled(3), 3 * 5 * 11);
        QCOMPARE(filled(8), 8 * 5 * 11);
        QCOMPARE(filled(16), 8 * 5 * 11);
        QCOMPARE(filled(4.5), 4 * 5 * 11 + 3 * 11); // half a bar, rounded to whole pixels
        QCOMPARE(pixels(pips(3), theme().original), 5 * 5 * 11);
    }
    void delegatesPaintEveryState() {
        QStandardItemModel model(6, 3);
        for (int i = 0; i < 6; ++i) {
            model.setData(model.index(i, 0), i == 5 ? QVariant() : QVariant(i * 1.5));
            model.setData(model.index(i, 1), "3.0");
            model.setData(model.index(i, 1), i / 5.0, Qt::UserRole);
            model.setData(model.index(i, 2), i == 1 ? -1.0 : i / 5.0, Qt::UserRole);
            model.setData(model.index(i, 2), i, Qt::UserRole + 1);
            model.setData(model.index(i, 2), "text");
        }
        QTableView view;
        setupTable(&view);
        view.setModel(&model);
        view.setItemDelegateForColumn(0, new BitsPipsDelegate(&view));
        view.setItemDelegateForColumn(1, new ShareBarDelegate(Qt::UserRole, true, &view));
        view.setItemDelegateForColumn(2, new ProgressDelegate(Qt::UserRole, Qt::UserRole + 1, &view));
        view.resize(600, 200);
        const QImage image = view.grab().toImage();
        QVERIFY(pixels(image, theme().accent) > 100);
        QVERIFY(pixels(image, theme().error) > 20); // the failed job's bar
        QVERIFY(pixels(image, theme().ok) > 20);    // the finished one's
        QVERIFY(pixels(image, blend(theme().predicted, theme().base, 0.75)) > 50);
    }
    void copyAsTsv() {
        QStandardItemModel model(2, 3);
        model.setHorizontalHeaderLabels({"a", "b", "c"});
        for (int r = 0; r < 2; ++r)
            for (int c = 0; c < 3; ++c)
                model.setData(model.index(r, c), QStringLiteral("%1%2").arg(QChar('x' + r)).arg(c));
        model.setData(model.index(1, 1), "tab\there");
        QTableView view;
        setupTable(&view);
        view.setModel(&model);
        view.setColumnHidden(2, true);
        QCOMPARE(selectionAsTsv(view), QString());
        view.selectAll();
        view.show();
        view.activateWindow();
        view.setFocus();
        QVERIFY(QTest::qWaitForWindowActive(&view));
        QTest::keyClick(&view, Qt::Key_C, Qt::ControlModifier);
        QCOMPARE(QApplication::clipboard()->text(), QString("a\tb\nx0\tx1\ny0\ttab here\n"));
    }
    void elidedLabel() {
        ElidedLabel label("model.layers.2.mlp.up_proj.weight");
        label.resize(label.sizeHint());
        QVERIFY(!label.isElided());
        label.resize(80, 20);
        QVERIFY(label.isElided());
        QVERIFY(label.minimumSizeHint().width() < label.sizeHint().width());
        QCOMPARE(label.accessibleName(), label.text());
    }
    void segments() {
        SegmentedButtons row({"Inspect", "Tune", "Run"});
        QCOMPARE(row.currentIndex(), 0);
        QSignalSpy spy(&row, &SegmentedButtons::currentChanged);
        row.show();
        QTest::mouseClick(row.segment(2), Qt::LeftButton);
        QCOMPARE(row.currentIndex(), 2);
        QCOMPARE(spy.count(), 1);
        QTest::keyClick(row.segment(2), Qt::Key_Left);
        QCOMPARE(row.currentIndex(), 1);
        row.setSegmentEnabled(0, false, "Open a model first.");
        QTest::keyClick(row.segment(1), Qt::Key_Left);
        QCOMPARE(row.currentIndex(), 1);
        QCOMPARE(row.segment(0)->toolTip(), QString("Open a model first."));

        SegmentedButtons many;
        many.setExclusive(false);
        many.addSegment("a");
        many.addSegment("b");
        QSignalSpy toggled(&many, &SegmentedButtons::segmentToggled);
        many.setSegmentChecked(0, true);
        many.setSegmentChecked(1, true);
        QVERIFY(many.isSegmentChecked(0) && many.isSegmentChecked(1));
        QCOMPARE(toggled.count(), 2);
        QVERIFY(row.segment(0)->sizeHint().height() == 24);
    }
    void searchSettles() {
        SearchLineEdit edit(SearchLineEdit::Kind::Filter, "Filter");
        edit.setRegexToggle(true);
        QVERIFY(!edit.isRegex());
        QSignalSpy spy(&edit, &SearchLineEdit::textSettled);
        QTest::keyClicks(&edit, "mlp");
        QCOMPARE(spy.count(), 0); // one signal for the word, not three
        QTRY_COMPARE(spy.count(), 1);
        QCOMPARE(spy[0][0].toString(), QString("mlp"));
        QTest::keyClick(&edit, Qt::Key_Return);
        QCOMPARE(spy.count(), 2);
        QTest::keyClick(&edit, Qt::Key_Escape);
        QVERIFY(edit.text().isEmpty());
    }
    void emptyStateTakesFiles() {
        EmptyState state("Drop a model folder, a .safetensors or a .gguf file here.");
        state.setDropTarget(true);
        QPushButton* open = state.addButton("Open", "open", true);
        QVERIFY(open->property("primary").toBool());
        QSignalSpy spy(&state, &EmptyState::filesDropped);
        QMimeData mime;
        mime.setUrls({QUrl::fromLocalFile("/models/a"), QUrl("https://example.org/b")});
        QDragEnterEvent over(QPoint(10, 10), Qt::CopyAction, &mime, Qt::LeftButton, {});
        QApplication::sendEvent(&state, &over);
        QVERIFY(over.isAccepted());
        QDropEvent drop(QPointF(10, 10), Qt::CopyAction, &mime, Qt::LeftButton, {});
        QApplication::sendEvent(&state, &drop);
        QCOMPARE(spy.count(), 1);
        QCOMPARE(spy[0][0].toStringList(), QStringList{"/models/a"});
        QMimeData text;
        text.setText("no files");
        QDragEnterEvent enter(QPoint(1, 1), Qt::CopyAction, &text, Qt::LeftButton, {});
        enter.ignore();
        QApplication::sendEvent(&state, &enter);
        QVERIFY(!enter.isAccepted());
    }
    void keyValues() {
        KeyValueGrid grid;
        const int shape = grid.addRow("Shape", "8 192 x 2 048");
        grid.addWidgetRow("Method", new QComboBox);
        const int size = grid.addRow("Size", "6.88 MiB", KeyValueGrid::Tone::Predicted);
        grid.setValue(shape, "1 x 1", KeyValueGrid::Tone::Error);
        QCOMPARE(grid.value(shape), QString("1 x 1"));
        QCOMPARE(grid.value(size), QString("6.88 MiB"));
        QCOMPARE(grid.asTsv(), QString("Shape\t1 x 1\nSize\t6.88 MiB\n"));
        grid.setValue(99, "nothing");
        grid.clear();
        QCOMPARE(grid.count(), 0);
        QCOMPARE(grid.addRow("Again"), 0);
    }
    void chipsHideWhenEmpty() {
        QWidget parent;
        Chip chip("7 outlier channels", Chip::Tone::Warning, &parent);
        parent.show();
        QVERIFY(chip.isVisible());
        chip.setText(QString());
        QVERIFY(!chip.isVisible());
        chip.setText("1");
        QVERIFY(chip.isVisible());
        QCOMPARE(chip.accessibleName(), QString("1"));
    }
    void dockTitle() {
        QMainWindow window;
        auto* dock = new QDockWidget("Inspector", &window);
        auto* bar = new DockTitleBar(dock);
        dock->setTitleBarWidget(bar);
        window.addDockWidget(Qt::RightDockWidgetArea, dock);
        window.resize(600, 400);
        window.show();
        QSignalSpy spy(bar, &DockTitleBar::maximizeRequested);
        QTest::mouseDClick(bar, Qt::LeftButton, {}, QPoint(20, 10));
        QCOMPARE(spy.count(), 1);
        QCOMPARE(spy[0][0].toBool(), true);
        bar->setMaximized(true);
        const auto buttons = bar->findChildren<QToolButton*>();
        QCOMPARE(buttons.size(), 2);
        buttons[0]->click();
        QCOMPARE(spy[1][0].toBool(), false);
        buttons[1]->click();
        QVERIFY(!dock->isVisible());
    }
};
QS_TEST(ViewsTest)

#include "tst_views.moc"
