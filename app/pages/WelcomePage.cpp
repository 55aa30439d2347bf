// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/WelcomePage.h"

#include "widgets/theme/Theme.h"
#include "widgets/views/EmptyState.h"

#include <QDir>
#include <QFileInfo>
#include <QLabel>
#include <QPainter>
#include <QToolButton>
#include <QVBoxLayout>

namespace qs::app {

namespace {
constexpr int kShown = 6;

/// A page with the colour of tables and charts.
class Sheet : public QWidget {
public:
    explicit Sheet() {
        setBackgroundRole(QPalette::Base);
        setAutoFillBackground(true);
    }
};
} // namespace

WelcomePage::WelcomePage(Settings* settings, QWidget* parent)
    : QWidget(parent), m_settings(settings), m_empty(new ui::EmptyState({})), m_recentBox(new Sheet) {
    setObjectName(QStringLiteral("welcomePage"));
    m_empty->setObjectName(QStringLiteral("dropTarget"));
    m_empty->setDropTarget(true);
    m_empty->setHint(tr("Only headers are read. Your files are mapped, never changed."));
    auto* open = m_empty->addButton(tr("Open…"), QStringLiteral("open"), true);
    open->setObjectName(QStringLiteral("welcomeOpen"));
    auto* sample = m_empty->addButton(tr("Open the sample"), QStringLiteral("model"));
    sample->setObjectName(QStringLiteral("welcomeSample"));
    sample->setToolTip(tr("A small model that comes with the program, with a handful of outlier channels."));
    m_recent = new QVBoxLayout(m_recentBox);
    m_recent->setContentsMargins(24, 0, 24, 32);
    m_recent->setSpacing(2);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addWidget(m_empty, 1);
    layout->addWidget(m_recentBox);
    connect(open, &QPushButton::clicked, this, &WelcomePage::openRequested);
    connect(sample, &QPushButton::clicked, this, &WelcomePage::sampleRequested);
    connect(m_empty, &ui::EmptyState::filesDropped, this,
            [this](const QStringList& paths) { emit pathChosen(paths.front()); });
    connect(settings, &Settings::recentChanged, this, &WelcomePage::fillRecent);
    setBusy({});
    fillRecent();
}

void WelcomePage::setBusy(const QString& text) {
    m_empty->setText(text.isEmpty()
                         ? tr("Drop a model folder or a weight file here: safetensors, GGUF, PyTorch, HDF5.")
                         : text);
}

void WelcomePage::fillRecent() {
    while (QLayoutItem* item = m_recent->takeAt(0)) {
        delete item->widget();
        delete item;
    }
    const QVector<Settings::RecentFile> files = m_settings->recentFiles();
    m_recentBox->setVisible(!files.isEmpty());
    if (files.isEmpty()) return;
    auto* title = new QLabel(tr("Recent"));
    title->setFont(ui::boldFont());
    m_recent->addWidget(title, 0, Qt::AlignHCenter);
    for (qsizetype i = 0; i < std::min<qsizetype>(files.size(), kShown); ++i) {
        const QString path = files[i].path;
        auto* button = new QToolButton;
        button->setAutoRaise(true);
        button->setToolButtonStyle(Qt::ToolButtonTextOnly);
        button->setText(QDir::toNativeSeparators(path));
        button->setEnabled(files[i].exists);
        button->setToolTip(files[i].exists ? tr("Open %1").arg(path)
                                           : tr("%1 is not there any more.").arg(path));
        connect(button, &QToolButton::clicked, this, [this, path] { emit pathChosen(path); });
        m_recent->addWidget(button, 0, Qt::AlignHCenter);
    }
}

} // namespace qs::app
