// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/InspectPage.h"

#include "app/pages/DistributionPage.h"
#include "app/pages/ExpertsPane.h"
#include "app/pages/HeatMapPane.h"
#include "app/pages/ProfilePane.h"
#include "app/pages/TokensPage.h"
#include "widgets/charts/ChannelProfileWidget.h"

#include <QSplitter>

namespace qs::app {

InspectPage::InspectPage(InspectState* state, Settings* settings, QWidget* parent)
    : QTabWidget(parent)
    , m_state(state)
    , m_heatMap(new HeatMapPane(state, settings))
    , m_profile(new ProfilePane(state, settings))
    , m_distribution(new DistributionPage(state))
    , m_tokens(new TokensPage(state))
    , m_experts(new ExpertsPane(state, settings))
    , m_split(new QSplitter(Qt::Vertical)) {
    setObjectName(QStringLiteral("inspectPage"));
    setDocumentMode(true);
    m_split->setObjectName(QStringLiteral("overviewSplit"));
    m_split->setChildrenCollapsible(false);
    m_split->addWidget(m_heatMap);
    m_split->addWidget(m_profile);
    m_split->setStretchFactor(0, 1);
    m_split->setStretchFactor(1, 1);
    m_split->setSizes({330, 300});
    addTab(m_split, tr("Overview"));
    addTab(m_distribution, tr("Distribution"));
    addTab(m_tokens, tr("Tokens"));
    addTab(m_experts, tr("Experts"));
    const auto showTab = [this](bool any) { setTabVisible(indexOf(m_experts), any); };
    showTab(m_experts->hasExperts());
    connect(m_experts, &ExpertsPane::expertsChanged, this, showTab);
    connect(m_heatMap, &HeatMapPane::profileRequested, this, &InspectPage::showProfile);
}

void InspectPage::showProfile() {
    setCurrentIndex(0);
    m_profile->profile()->weightsPane()->setFocus(Qt::ShortcutFocusReason);
}

void InspectPage::showKlShares() {
    setCurrentIndex(0);
    m_heatMap->setMetric(ui::Metric::KlShare);
    m_state->klShare()->measure();
}

void InspectPage::showDistribution() {
    setCurrentIndex(1);
}

void InspectPage::showTokens() {
    setCurrentWidget(m_tokens);
}

} // namespace qs::app
