//! One Redis server keeps the whole contract.

mod common;

use common::{Fresh, block_on};
use oauth_testkit::servers::Redis;

async fn fresh() -> Option<Fresh> {
    Some(common::fresh(Redis::shared()?.url()).await)
}

mod redis {
    use super::{block_on, fresh};
    oauth_testkit::storage_contract!(fresh = fresh, block_on = block_on);
}
