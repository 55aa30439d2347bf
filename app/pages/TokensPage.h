// SPDX-License-Identifier: GPL-3.0-or-later
// The Tokens tab: tokens x channels above, the outlier tracer below, what stands out at the right; on a
// narrow page a button shows it in the place of both.
#pragma once

#include "app/pages/InspectState.h"
#include "app/session/ProbeState.h"

class QPushButton;
class QSplitter;

namespace qs::app {

class TokenListsPane;
class TokenMapPane;
class TracerPane;

class TokensPage : public QWidget {
    Q_OBJECT
public:
    explicit TokensPage(InspectState* state, QWidget* parent = nullptr);

    ProbeState* probe() { return &m_probe; }
    TokenMapPane* mapPane() const { return m_map; }
    TracerPane* tracerPane() const { return m_tracer; }
    TokenListsPane* lists() const { return m_lists; }

    /// Follows the channel that is looked at: the map's crosshair when `fromMap`, else the one marked in the
    /// profile. Says why when it is no channel of the residual stream.
    QString traceChannel(bool fromMap);

protected:
    void showEvent(QShowEvent* event) override;
    void hideEvent(QHideEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;

private:
    /// Channels of the profile are channels of the map.
    bool linked() const;
    void openTensor(const QString& module, int row);
    void keep(const QString& module);
    QWidget* makeLists();
    /// What of pictures and lists has room.
    void fit();

    InspectState* m_state;
    ProbeState m_probe;
    TokenMapPane* m_map;
    TracerPane* m_tracer;
    TokenListsPane* m_lists;
    QPushButton *m_toLists, *m_toMap; ///< on a narrow page
    QWidget *m_pictures, *m_listColumn;
    bool m_listsChosen = false; ///< on a narrow page
};

} // namespace qs::app
