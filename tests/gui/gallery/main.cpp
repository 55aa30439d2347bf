// SPDX-License-Identifier: GPL-3.0-or-later
// gallery <folder> [scale]: paints the widgets with invented data to PNG files, light and dark, for review by
// eye.
#include "../CpuTimer.h"
#include "FakeData.h"

#include "widgets/charts/ChannelProfileWidget.h"
#include "widgets/charts/ExportMenu.h"
#include "widgets/charts/HistogramWidget.h"
#include "widgets/heatmaps/ColorBar.h"
#include "widgets/heatmaps/HeatMapWidget.h"
#include "widgets/theme/Icons.h"
#include "widgets/theme/Style.h"
#include "widgets/views/Chip.h"
#include "widgets/views/Delegates.h"
#include "widgets/views/DockTitleBar.h"
#include "widgets/views/ElidedLabel.h"
#include "widgets/views/EmptyState.h"
#include "widgets/views/KeyValueGrid.h"
#include "widgets/views/SearchLineEdit.h"
#include "widgets/views/SectionHeader.h"
#include "widgets/views/SegmentedButtons.h"
#include "widgets/views/ToolRow.h"
#include "widgets/views/ViewSetup.h"

#include <QtWidgets>
#include <cstdio>

using namespace qs::ui;
using namespace qs::gallery;

namespace {

QString u(const char* text) {
    return QString::fromUtf8(text);
}

QTableView* outlierTable() {
    auto* model = new QStandardItemModel(0, 9);
    model->setHorizontalHeaderLabels({"Channel", "max |x|", "ratio to median", "max |w|", "weight ratio",
                                      "first seen at block", "tokens", u("share of Σ trace"), "options"});
    const QVector<QStringList> rows = {
        {"788", "77.3", u("84.0 ×"), "0.51", u("3.1 ×"), "1 (mlp.down)", u("BOS, first “.”"), "46.2 %",
         u("Trace · Keep in 16 bits")},
        {"1415", "56.1", u("61.0 ×"), "0.40", u("2.4 ×"), "1 (mlp.down)", "BOS", "24.8 %",
         u("Trace · Keep in 16 bits")},
        {"400", "16.1", u("17.5 ×"), "0.25", u("1.5 ×"), "0 (embed)", "all", "2.1 %", "Trace"},
        {"1993", "11.1", u("12.1 ×"), "0.21", u("1.3 ×"), "1 (attn.o)", "delimiters", "1.0 %", "Trace"},
        {"1159", "8.6", u("9.3 ×"), "0.18", u("1.1 ×"), "0 (embed)", "all", "0.6 %", "Trace"}};
    for (const QStringList& row : rows) {
        QList<QStandardItem*> items;
        for (int c = 0; c < row.size(); ++c) {
            auto* item = new QStandardItem(row[c]);
            const bool number = c < 5 || c == 7;
            item->setTextAlignment((number ? Qt::AlignRight : Qt::AlignLeft) | Qt::AlignVCenter);
            if (c == 0) {
                QFont bold = item->font();
                bold.setBold(true);
                item->setFont(bold);
            }
            if (c == 8) item->setForeground(theme().accent);
            items += item;
        }
        model->appendRow(items);
    }
    for (int c : {0, 1, 2, 3, 4, 7})
        model->horizontalHeaderItem(c)->setTextAlignment(Qt::AlignRight | Qt::AlignVCenter);
    auto* view = new QTableView;
    setupTable(view);
    view->setModel(model);
    view->setSortingEnabled(true);
    view->horizontalHeader()->setSortIndicator(2, Qt::DescendingOrder);
    view->horizontalHeader()->resizeSection(2, 130);
    view->selectRow(0);
    return view;
}

QTreeView* modelTree() {
    auto* model = new QStandardItemModel(0, 2);
    model->setHorizontalHeaderLabels({"Tensor", "Format"});
    const auto row = [](const QString& name, const QString& format) {
        auto* f = new QStandardItem(format);
        f->setTextAlignment(Qt::AlignRight | Qt::AlignVCenter);
        f->setForeground(theme().text2);
        return QList<QStandardItem*>{new QStandardItem(name), f};
    };
    auto root = row("Llama-3.2-1B", "4.20");
    QFont bold = QApplication::font();
    bold.setBold(true);
    root[0]->setFont(bold);
    model->appendRow(root);
    root[0]->appendRow(row("embed_tokens", "Q6_K"));
    QStandardItem* up = nullptr;
    for (int b = 0; b < 4; ++b) {
        auto block = row(QStringLiteral("block %1").arg(b), QString::number(4.31 - b * 0.07, 'f', 2));
        root[0]->appendRow(block);
        auto mlp = row("mlp", "");
        block[0]->appendRow(mlp);
        for (const char* n : {"gate_proj", "up_proj", "down_proj"}) {
            auto leaf = row(n, "IQ4_XS");
            mlp[0]->appendRow(leaf);
            if (b == 2 && QLatin1String(n) == QLatin1String("up_proj")) up = leaf[0];
        }
    }
    root[0]->appendRow(row("lm_head tied", "Q6_K"));
    auto* tree = new QTreeView;
    setupTree(tree);
    tree->setModel(model);
    tree->header()->setStretchLastSection(false);
    tree->header()->setSectionResizeMode(0, QHeaderView::Stretch);
    tree->header()->resizeSection(1, 80);
    model->horizontalHeaderItem(1)->setTextAlignment(Qt::AlignRight | Qt::AlignVCenter);
    tree->expand(root[0]->index());
    tree->expand(up->parent()->parent()->index());
    tree->expand(up->parent()->index());
    tree->setCurrentIndex(up->index());
    tree->selectionModel()->select(up->index().siblingAtRow(0),
                                   QItemSelectionModel::Select | QItemSelectionModel::Rows);
    return tree;
}

QDockWidget* dock(const QString& title, QWidget* content, QMainWindow* window) {
    auto* d = new QDockWidget(title, window);
    d->setObjectName(title);
    d->setTitleBarWidget(new DockTitleBar(d));
    d->setWidget(content);
    return d;
}

QWidget* inspector() {
    auto* page = new QWidget;
    auto* v = new QVBoxLayout(page);
    v->setContentsMargins(0, 6, 0, 0);
    v->setSpacing(4);
    auto* head = new QHBoxLayout;
    head->setContentsMargins(10, 0, 10, 0);
    auto* name = new QLabel(u("<b>mlp.up_proj</b> block 2"));
    head->addWidget(name);
    head->addStretch();
    head->addWidget(new Chip("1 of 12 selected", Chip::Tone::Selection));
    v->addLayout(head);
    auto* path = new ElidedLabel("model.layers.2.mlp.up_proj.weight");
    path->setFont(monoFont());
    path->setContentsMargins(10, 0, 10, 0);
    v->addWidget(path);
    auto* grid = new KeyValueGrid;
    grid->setContentsMargins(10, 4, 10, 6);
    grid->addRow("Shape", u("8 192 × 2 048"));
    grid->addRow("Source", u("BF16 · 32.0 MiB"));
    grid->addRow("Site", "layers.2.mlp.in", KeyValueGrid::Tone::Mono);
    grid->addRow("Kurtosis w / x", "4.9 / 1 380");
    v->addWidget(grid);
    v->addWidget(new SectionHeader("Weights", "count, log y"));
    auto* histogram = new HistogramWidget;
    histogram->setCompact(true);
    histogram->setData(weightHistogram());
    histogram->setFixedHeight(90);
    v->addWidget(histogram);
    auto* scheme = new SectionHeader("Scheme");
    scheme->setNote("predicted", true);
    v->addWidget(scheme);
    auto* form = new KeyValueGrid;
    form->setContentsMargins(10, 4, 10, 6);
    form->addRow("Format", u("Q3_K · 3.4375 bits/w"));
    auto* combo = new QComboBox;
    combo->addItems({"GPTQ, act-order off", "RTN"});
    form->addWidgetRow("Method", combo);
    form->addRow("Size", "6.88 MiB");
    form->addRow("Output error", "7.8 %", KeyValueGrid::Tone::Predicted);
    form->addRow("State", "failed: row length 2 080", KeyValueGrid::Tone::Error);
    v->addWidget(form);
    auto* slider = new QSlider(Qt::Horizontal);
    slider->setValue(30);
    v->addWidget(slider);
    auto* card = new SectionHeader("Layer card");
    card->setIconName("info");
    v->addWidget(card);
    auto* use = new QPushButton("Use in recipe");
    makePrimary(use);
    auto* buttons = new QHBoxLayout;
    buttons->setContentsMargins(10, 2, 10, 2);
    buttons->addWidget(use);
    buttons->addWidget(new QPushButton("Reset clip"));
    auto* off = new QPushButton("Copy values");
    off->setEnabled(false);
    buttons->addWidget(off);
    v->addLayout(buttons);
    v->addStretch();
    auto* scroll = new QScrollArea;
    scroll->setFrameShape(QFrame::NoFrame);
    scroll->setWidgetResizable(true);
    scroll->setWidget(page);
    return scroll;
}

QToolBar* toolBar(QMainWindow* window) {
    auto* bar = window->addToolBar("Main");
    bar->setMovable(false);
    bar->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    bar->addAction(icon("open"), "Open");
    bar->addAction(icon("undo"), QString());
    auto* redo = bar->addAction(icon("redo"), QString());
    redo->setEnabled(false);
    bar->addSeparator();
    bar->addAction(icon("calibrate"), "Calibrate");
    bar->addAction(icon("solve"), "Solve");
    bar->addAction(icon("run"), "Run");
    bar->addAction(icon("pause"), QString())->setEnabled(false);
    bar->addAction(icon("stop"), QString())->setEnabled(false);
    bar->addSeparator();
    bar->addAction(icon("verify"), "Verify");
    bar->addAction(icon("export"), "Export");
    bar->addSeparator();
    bar->addWidget(new SegmentedButtons({"Inspect", "Tune", "Run", "Judge", "Export"}));
    auto* gap = new QWidget;
    gap->setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Preferred);
    bar->addWidget(gap);
    auto* search = new SearchLineEdit(SearchLineEdit::Kind::Search, "Tensors and commands");
    search->setFixedWidth(260);
    bar->addWidget(search);
    return bar;
}

QWidget* overviewPage() {
    auto* splitter = new QSplitter(Qt::Vertical);
    auto* top = new QWidget;
    auto* v = new QVBoxLayout(top);
    v->setContentsMargins(0, 0, 0, 0);
    v->setSpacing(0);
    auto* row = new ToolRow;
    row->addLabel("Colour");
    auto* colour = new QComboBox;
    colour->addItem(u("Output error, relative (Σ-weighted)"));
    row->addWidget(colour);
    row->addLabel("Cell text");
    auto* text = new QComboBox;
    text->addItem("Bits now");
    row->addWidget(text);
    row->addWidget(new Chip(u("12 cells: blocks 2–5 × gate, up, down"), Chip::Tone::Selection));
    row->addStretch();
    auto* bar = new ColorBar;
    row->addWidget(bar);
    v->addWidget(row);
    auto* map = new HeatMapWidget;
    map->setColorBarVisible(false);
    map->setData(layerHeatMap());
    bar->setSpec(ColorBarSpec::of(*map->data(), false));
    map->setCurrentCell(5, 2);
    QVector<QPoint> cells;
    for (int r = 4; r < 7; ++r)
        for (int c = 2; c < 6; ++c)
            cells.push_back({c, r});
    map->setSelectedCells(cells);
    v->addWidget(map, 1);
    auto* hints = new HintStrip(u("Drag to brush · [2]…[8] set bits · [L] lock · [Enter] open profile"));
    hints->setLegend({{"lock", "locked"}});
    v->addWidget(hints);
    splitter->addWidget(top);
    auto* bottom = new QWidget;
    v = new QVBoxLayout(bottom);
    v->setContentsMargins(0, 0, 0, 0);
    v->setSpacing(0);
    auto* row2 = new ToolRow;
    row2->addTitle("Channel profile");
    auto* name = row2->addLabel("layers.2.mlp.up_proj");
    name->setFont(monoFont());
    row2->addLabel("order");
    row2->addWidget(new SegmentedButtons({"Natural", "Sorted"}));
    row2->addStretch();
    row2->addWidget(new Chip("7 outlier channels", Chip::Tone::Warning));
    v->addWidget(row2);
    auto* profile = new ChannelProfileWidget;
    profile->setData(weightProfile(), activationProfile());
    v->addWidget(profile, 1);
    splitter->addWidget(bottom);
    return splitter;
}

QWidget* inspectWindow() {
    auto* w = new QMainWindow;
    w->setDockOptions(QMainWindow::AllowNestedDocks | QMainWindow::AllowTabbedDocks);
    w->setTabPosition(Qt::AllDockWidgetAreas, QTabWidget::North);
    w->setCorner(Qt::BottomLeftCorner, Qt::LeftDockWidgetArea);
    w->setCorner(Qt::BottomRightCorner, Qt::RightDockWidgetArea);
    for (const char* m : {"File", "Edit", "View", "Model", "Calibrate", "Recipe", "Run", "Evaluate", "Export",
                          "Window", "Help"})
        w->menuBar()->addMenu(m);
    toolBar(w);
    auto* tabs = new QTabWidget;
    tabs->addTab(overviewPage(), "Overview");
    for (const char* t : {"Distribution", "Tokens", "Tracer", "Anatomy"})
        tabs->addTab(new QWidget, t);
    w->setCentralWidget(tabs);
    auto* left = new QWidget;
    auto* v = new QVBoxLayout(left);
    v->setContentsMargins(0, 0, 0, 0);
    v->setSpacing(0);
    auto* filter = new SearchLineEdit(SearchLineEdit::Kind::Filter, "Filter, e.g. mlp.*down");
    filter->setRegexToggle(true);
    auto* box = new QHBoxLayout;
    box->setContentsMargins(8, 6, 8, 6);
    box->addWidget(filter);
    v->addLayout(box);
    v->addWidget(modelTree());
    w->addDockWidget(Qt::LeftDockWidgetArea, dock("Model", left, w));
    w->addDockWidget(Qt::RightDockWidgetArea, dock("Inspector", inspector(), w));
    auto* bottom = new QTabWidget;
    bottom->addTab(outlierTable(), "Outlier channels 7");
    for (const char* t : {"Tensors 113", "Problems 3", "Jobs", "History", "Log"})
        bottom->addTab(new QWidget, t);
    auto* outer = new QDockWidget(w);
    outer->setTitleBarWidget(new QWidget);
    outer->setWidget(bottom);
    w->addDockWidget(Qt::BottomDockWidgetArea, outer);
    w->statusBar()->setSizeGripEnabled(false);
    w->statusBar()->addWidget(new QLabel(u("Llama-3.2-1B · 1.236 B parameters · BF16")));
    w->statusBar()->addWidget(new Chip("fits 2 GiB", Chip::Tone::Ok));
    auto* progress = new QProgressBar;
    progress->setTextVisible(false);
    progress->setFixedWidth(110);
    progress->setValue(87);
    w->statusBar()->addWidget(progress);
    w->statusBar()->addPermanentWidget(new QLabel("Undo: set v_proj, block 1 to Q6_K"));
    w->resize(1600, 1000);
    w->resizeDocks(w->findChildren<QDockWidget*>("Model") + w->findChildren<QDockWidget*>("Inspector"),
                   {246, 310}, Qt::Horizontal);
    w->resizeDocks({outer}, {200}, Qt::Vertical);
    return w;
}

QWidget* controls() {
    auto* w = new QWidget;
    auto* grid = new QGridLayout(w);
    auto* line = new QLineEdit("4 117");
    auto* spin = new QDoubleSpinBox;
    spin->setValue(0.94);
    auto* editable = new QComboBox;
    editable->setEditable(true);
    editable->addItem("700.0");
    auto* off = new QComboBox;
    off->addItem("disabled");
    off->setEnabled(false);
    auto* check = new QCheckBox("Act-order");
    check->setChecked(true);
    auto* partial = new QCheckBox("Partly");
    partial->setTristate(true);
    partial->setCheckState(Qt::PartiallyChecked);
    auto* radio = new QRadioButton("File size");
    radio->setChecked(true);
    auto* toggles = new SegmentedButtons;
    toggles->setExclusive(false);
    for (const char* t : {"Original", "Dequantized", "Error"})
        toggles->setSegmentChecked(toggles->addSegment(t), true);
    auto* progress = new QProgressBar;
    progress->setRange(0, 113);
    progress->setValue(41);
    progress->setFormat("41 of 113");
    auto* group = new QGroupBox("Advanced");
    auto* inner = new QVBoxLayout(group);
    inner->addWidget(new QCheckBox("Off"));
    auto* offCheck = new QCheckBox("Disabled");
    offCheck->setEnabled(false);
    inner->addWidget(offCheck);
    QVector<QWidget*> all = {line,
                             spin,
                             editable,
                             off,
                             check,
                             partial,
                             radio,
                             new QRadioButton("Perplexity"),
                             toggles,
                             progress,
                             new SegmentedButtons({"Linear", "Log"}),
                             group,
                             new Chip("what-if, not in recipe", Chip::Tone::Predicted),
                             new Chip("2 errors", Chip::Tone::Error),
                             new Chip("neutral")};
    for (int i = 0; i < all.size(); ++i)
        grid->addWidget(all[i], i / 3, i % 3);
    auto* tools = new QToolButton;
    tools->setText("More");
    tools->setPopupMode(QToolButton::MenuButtonPopup);
    tools->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    tools->setIcon(icon("more"));
    tools->setMenu(new QMenu(tools));
    grid->addWidget(tools, 5, 0);
    auto* icons = new QWidget;
    auto* row = new QGridLayout(icons);
    row->setContentsMargins(0, 0, 0, 0);
    int n = 0;
    for (const QString& name : iconNames()) {
        auto* l = new QLabel;
        l->setPixmap(icon(name).pixmap(QSize(16, 16), 2.0));
        l->setToolTip(name);
        row->addWidget(l, n / 16, n % 16);
        ++n;
    }
    grid->addWidget(icons, 6, 0, 1, 3);
    auto* app = new QLabel;
    app->setPixmap(applicationIcon().pixmap(64, 64));
    grid->addWidget(app, 7, 0);
    w->resize(620, 420);
    return w;
}

QWidget* tables() {
    auto* model = new QStandardItemModel(0, 5);
    model->setHorizontalHeaderLabels({u("block · module"), "bits", "format", "KL share, %", "job"});
    const double bits[] = {6, 3, 4.5, 8, 16, 2};
    const char* jobs[] = {"38 of 112, 1 min left",
                          "waiting",
                          "112 of 112",
                          "38 of 112, cancelled",
                          "Q4_K -> Q5_0: row length 2 080",
                          "paused after block 7"};
    const int states[] = {1, 0, 3, 4, 5, 2};
    for (int i = 0; i < 6; ++i) {
        QList<QStandardItem*> row;
        row += new QStandardItem(QStringLiteral("%1 ").arg(i) + u("· v_proj"));
        auto* b = new QStandardItem;
        b->setData(bits[i], Qt::DisplayRole);
        row += b;
        row += new QStandardItem("Q6_K");
        auto* s = new QStandardItem(QString::number(3.0 - i * 0.4, 'f', 1));
        s->setData((3.0 - i * 0.4) / 3, Qt::UserRole);
        row += s;
        auto* j = new QStandardItem(jobs[i]);
        j->setData(i == 0 ? 0.34 : i == 1 ? 0.0 : i == 2 ? 1.0 : 0.4, Qt::UserRole);
        j->setData(states[i], Qt::UserRole + 1);
        row += j;
        model->appendRow(row);
    }
    auto* view = new QTableView;
    setupTable(view);
    view->setModel(model);
    view->setItemDelegateForColumn(1, new BitsPipsDelegate(view));
    view->setItemDelegateForColumn(3, new ShareBarDelegate(Qt::UserRole, true, view));
    view->setItemDelegateForColumn(4, new ProgressDelegate(Qt::UserRole, Qt::UserRole + 1, view));
    view->selectRow(1);
    view->resize(720, 200);
    return view;
}

QWidget* emptyPage() {
    auto* e = new EmptyState("Drop a model folder, a .safetensors or a .gguf file here.");
    e->setHint("Nothing is read before you open something. Files are mapped, not copied.");
    e->setDropTarget(true);
    e->addButton("Open", "open", true);
    e->addButton("Recent", "clock");
    e->addButton("Open the sample", "model");
    e->resize(700, 320);
    return e;
}

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

QWidget* menu() {
    auto* m = new QMenu;
    m->addAction(icon("copy"), "Copy picture")->setShortcut(QKeySequence::Copy);
    m->addSeparator();
    m->addAction("Save as PNG, 1x");
    auto* check = m->addAction("Log scale");
    check->setCheckable(true);
    check->setChecked(true);
    m->addAction("Not possible now")->setEnabled(false);
    m->addMenu("Recent");
    auto* table = m->addAction(icon("table"), "Show as table");
    table->setShortcut(QKeySequence("Ctrl+T"));
    m->setActiveAction(m->actions().at(2));
    m->resize(m->sizeHint());
    return m;
}

QWidget* message() {
    auto* box = new QMessageBox(
        QMessageBox::Warning, "Export",
        u("Row length 5 376 is not a multiple of 256 (layers.0.mlp.down_proj). Q4_K cannot hold it. "
          "Choose Q4_0 or Q8_0."),
        QMessageBox::Ok | QMessageBox::Cancel);
    makePrimary(qobject_cast<QPushButton*>(box->button(QMessageBox::Ok)));
    return box;
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
