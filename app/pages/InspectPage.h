// SPDX-License-Identifier: GPL-3.0-or-later
// The Inspect workspace: Overview (map above profile), Distribution and Tokens.
#pragma once

#include "app/pages/InspectState.h"
#include "app/settings/Settings.h"

#include <QTabWidget>

class QSplitter;

namespace qs::app {

class DistributionPage;
class ExpertsPane;
class HeatMapPane;
class ProfilePane;
class TokensPage;

class InspectPage : public QTabWidget {
    Q_OBJECT
public:
    InspectPage(InspectState* state, Settings* settings, QWidget* parent = nullptr);

    void showProfile(); ///< Overview, keyboard focus in the profile
    void showDistribution();
    void showTokens();
    void showKlShares(); ///< Overview, coloured by them; measures what is missing
    HeatMapPane* heatMap() const { return m_heatMap; }
    ProfilePane* profile() const { return m_profile; }
    DistributionPage* distribution() const { return m_distribution; }
    TokensPage* tokens() const { return m_tokens; }
    ExpertsPane* experts() const { return m_experts; }
    /// Divides the height: the map gets what its rows need.
    QSplitter* splitter() const { return m_split; }

private:
    InspectState* m_state;
    HeatMapPane* m_heatMap;
    ProfilePane* m_profile;
    DistributionPage* m_distribution;
    TokensPage* m_tokens;
    ExpertsPane* m_experts; ///< its tab is there for mixtures only
    QSplitter* m_split;
};

} // namespace qs::app
