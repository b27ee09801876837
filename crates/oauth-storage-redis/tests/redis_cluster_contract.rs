//! A cluster of three keeps the whole contract.

mod common;

use common::{Fresh, block_on};
use oauth_testkit::servers::RedisCluster;

async fn fresh() -> Option<Fresh> {
    Some(common::fresh(&RedisCluster::shared()?.url()).await)
}

mod redis_cluster {
    use super::{block_on, fresh};
    oauth_testkit::storage_contract!(fresh = fresh, block_on = block_on);
}
