// SPDX-License-Identifier: GPL-3.0-or-later
// Single controls, a menu, a message, the empty page.
#include "Pages.h"

#include "widgets/theme/Icons.h"
#include "widgets/theme/Style.h"
#include "widgets/theme/Theme.h"
#include "widgets/views/Chip.h"
#include "widgets/views/EmptyState.h"
#include "widgets/views/SegmentedButtons.h"

#include <QtWidgets>

namespace qs::gallery {

using namespace qs::ui;

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

} // namespace qs::gallery
