// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/TokensPage.h"

#include "app/pages/TokenListsPane.h"
#include "app/pages/TokenMapPane.h"
#include "app/pages/TracerPane.h"
#include "widgets/views/ToolRow.h"

#include <QHBoxLayout>
#include <QPushButton>
#include <QSplitter>
#include <QVBoxLayout>

namespace qs::app {

namespace {
constexpr int kListsWidth = 310;
constexpr int kListsFrom = 780; ///< px of the page: below, the lists would leave too little to the map
} // namespace

TokensPage::TokensPage(InspectState* state, QWidget* parent)
    : QWidget(parent)
    , m_state(state)
    , m_probe(state->session())
    , m_map(new TokenMapPane(&m_probe))
    , m_tracer(new TracerPane(&m_probe))
    , m_lists(new TokenListsPane(&m_probe))
    , m_toLists(new QPushButton(tr("Lists")))
    , m_toMap(new QPushButton(tr("Map and tracer"))) {
    setObjectName(QStringLiteral("tokensPage"));
    auto* down = new QSplitter(Qt::Vertical);
    m_pictures = down;
    down->setObjectName(QStringLiteral("tokensSplit"));
    down->setChildrenCollapsible(false);
    down->addWidget(m_map);
    down->addWidget(m_tracer);
    m_tracer->setMinimumHeight(200);
    down->setStretchFactor(0, 3);
    down->setStretchFactor(1, 2);
    m_listColumn = makeLists();
    auto* across = new QSplitter(Qt::Horizontal);
    across->setChildrenCollapsible(false);
    across->addWidget(down);
    across->addWidget(m_listColumn);
    across->setStretchFactor(0, 1);
    across->setStretchFactor(1, 0);
    auto* layout = new QHBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(across);
    connect(&m_probe, &ProbeState::crosshairChanged, this, [this] {
        const int channel = m_probe.crosshair().x();
        if (channel >= 0 && !m_probe.crosshairIsProposed() && linked()) m_state->setChannel(channel);
    });
    connect(&m_probe, &ProbeState::mapChanged, this, [this] {
        if (m_state->channel() >= 0 && linked()) m_probe.lookAtChannel(m_state->channel());
    });
    connect(m_map, &TokenMapPane::traceRequested, this, [this] { traceChannel(true); });
    connect(state, &InspectState::channelChanged, this, [this](int channel) {
        if (channel >= 0 && linked()) m_probe.lookAtChannel(channel);
    });
    connect(m_tracer, &TracerPane::writerRequested, this, &TokensPage::openTensor);
    connect(m_tracer, &TracerPane::channelSelected, this, [this](int channel) {
        if (m_probe.mapIsStream()) m_probe.lookAtChannel(channel);
    });
    connect(m_lists, &TokenListsPane::tensorRequested, this, &TokensPage::openTensor);
    connect(m_lists, &TokenListsPane::keepRequested, this, &TokensPage::keep);
}

QWidget* TokensPage::makeLists() {
    m_toLists->setObjectName(QStringLiteral("toTokenLists"));
    m_toLists->setToolTip(tr("Massive activations, attention sinks, super weights"));
    m_map->toolRow()->addWidget(m_toLists);
    m_toMap->setObjectName(QStringLiteral("toTokenMap"));
    m_lists->setMinimumWidth(kListsWidth);
    auto* column = new QWidget;
    auto* layout = new QVBoxLayout(column);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    auto* row = new ui::ToolRow;
    row->addWidget(m_toMap);
    row->addStretch();
    layout->addWidget(row);
    layout->addWidget(m_lists, 1);
    for (QPushButton* button : {m_toLists, m_toMap})
        connect(button, &QPushButton::clicked, this, [this, button] {
            m_listsChosen = button == m_toLists;
            fit();
            (m_listsChosen ? m_toMap : m_toLists)->setFocus(); // the one pressed has gone
        });
    return column;
}

void TokensPage::fit() {
    const bool narrow = width() < kListsFrom;
    m_toLists->setVisible(narrow);
    m_map->setTitleVisible(!narrow);
    m_toMap->parentWidget()->setVisible(narrow);
    m_pictures->setVisible(!narrow || !m_listsChosen);
    m_listColumn->setVisible(!narrow || m_listsChosen);
}

bool TokensPage::linked() const {
    const ui::TargetRow* row = m_state->currentRow();
    const auto map = m_probe.map();
    if (!row || !map) return false;
    if (m_state->side() == ChannelSide::Input && row->site == QString::fromStdString(map->site)) return true;
    const auto model = m_state->session()->model();
    if (!model || !model->hasForward() || !m_probe.mapIsStream()) return false;
    return m_state->side() == ChannelSide::Input ? isStreamSite(model->spec(), row->site.toStdString())
                                                 : writesStream(model->spec(), row->module.toStdString());
}

QString TokensPage::traceChannel(bool fromMap) {
    const auto model = m_state->session()->model();
    if (!model || !model->hasForward()) return m_probe.blocker();
    if (fromMap) {
        const int channel = m_probe.crosshair().x();
        if (channel < 0) return tr("Click a cell of the map first.");
        if (!m_probe.mapIsStream())
            return tr("Channel %1 of %2 is no channel of the residual stream.")
                .arg(channel)
                .arg(m_probe.site());
        m_probe.traceChannel(channel);
        return {};
    }
    const ui::TargetRow* row = m_state->currentRow();
    const int channel = m_state->channel();
    if (!row || channel < 0) return tr("Choose a channel in the profile or in the outlier table first.");
    const bool input = m_state->side() == ChannelSide::Input;
    const bool stream = input ? isStreamSite(model->spec(), row->site.toStdString())
                              : writesStream(model->spec(), row->module.toStdString());
    // The site itself can be shown in any case.
    if (input) m_probe.setSite({});
    m_probe.lookAtChannel(channel);
    if (!stream)
        return tr("Channel %1 of %2 is no channel of the residual stream: the map shows it, the tracer "
                  "cannot.")
            .arg(channel)
            .arg(row->module);
    m_probe.traceChannel(channel);
    return {};
}

void TokensPage::openTensor(const QString& module, int row) {
    const int target = m_state->session()->table()->indexOf(module);
    if (target < 0) return;
    m_state->session()->selection()->selectOne(target);
    m_state->setSide(ChannelSide::Output);
    m_state->setChannel(row);
}

void TokensPage::keep(const QString& module) {
    SchemeTable* table = m_state->session()->table();
    const int target = table->indexOf(module);
    if (target >= 0) table->edit({target}, ui::SchemeEdit::keep());
}

void TokensPage::showEvent(QShowEvent* event) {
    QWidget::showEvent(event);
    m_probe.setActive(true);
}

void TokensPage::hideEvent(QHideEvent* event) {
    QWidget::hideEvent(event);
    m_probe.setActive(false);
}

void TokensPage::resizeEvent(QResizeEvent* event) {
    QWidget::resizeEvent(event);
    fit();
}

} // namespace qs::app
