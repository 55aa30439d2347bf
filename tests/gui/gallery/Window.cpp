// SPDX-License-Identifier: GPL-3.0-or-later
// A whole window, as the visual target shows it.
#include "Pages.h"

#include "widgets/charts/ChannelProfileWidget.h"
#include "widgets/charts/HistogramWidget.h"
#include "widgets/heatmaps/ColorBar.h"
#include "widgets/heatmaps/HeatMapWidget.h"
#include "widgets/theme/Icons.h"
#include "widgets/theme/Style.h"
#include "widgets/theme/Theme.h"
#include "widgets/views/Chip.h"
#include "widgets/views/DockTitleBar.h"
#include "widgets/views/ElidedLabel.h"
#include "widgets/views/KeyValueGrid.h"
#include "widgets/views/SearchLineEdit.h"
#include "widgets/views/SectionHeader.h"
#include "widgets/views/SegmentedButtons.h"
#include "widgets/views/ToolRow.h"

#include <QtWidgets>

namespace qs::gallery {

using namespace qs::ui;

namespace {

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

} // namespace

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

} // namespace qs::gallery
