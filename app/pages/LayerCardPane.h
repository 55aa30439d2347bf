// SPDX-License-Identifier: GPL-3.0-or-later
// The layer card of the current tensor, in the inspector: asks for advice and applies what is chosen.
#pragma once

#include "app/session/LayerAdvice.h"

#include <QWidget>

namespace qs::ui {
class LayerCard;
class SectionHeader;
} // namespace qs::ui

namespace qs::app {

class LayerCardPane : public QWidget {
    Q_OBJECT
public:
    explicit LayerCardPane(Session* session, QWidget* parent = nullptr);
    /// -1 for none.
    void show(int target);
    const LayerAdvice& advice() const { return m_advice; }

signals:
    void editRefused(const QString& reason);

protected:
    void showEvent(QShowEvent* event) override;

private:
    void refresh();
    void apply(int option);

    Session* m_session;
    LayerAdvice m_advice;
    int m_target = -1;
    ui::SectionHeader* m_head;
    ui::LayerCard* m_card;
};

} // namespace qs::app
